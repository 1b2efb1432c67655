// From the rows of a table to events as JSON lines (the contract's form), by a CsvMap. Streaming: rows come in on the
// left, lines leave through the sink, and only open documents and a hash of each reference event are kept.
//
//   CsvInput -> CsvReader -> row -> reference events, seen for the first time          -> sink(reference, line)
//                               -> open documents, by event_time -> closed documents   -> sink(event, line)
//
// Rows with the same document id and outlet (and revision) are lines of one document; they need not stand together.
// Documents are open until more than CsvMap::open_times different event times are: then those of the earliest time are
// written. A row that comes later than that for its time ends the import with its line and how to sort: the alternative
// would be two documents with one id.
//
// What cannot be an event is an event nevertheless, as far as it goes: a number that cannot be made is written as the
// text in the table, a row with a wrong number of fields has its complaint in place of its lines. Intake then
// quarantines it with a reason; here it is counted. Only what contradicts the document's first row (another direction,
// another time) is written apart, under the same document id and an event_id of its own: intake keeps the first in the
// log, and says revision_conflict of the other. In the same way a reference event with another content than before (a
// SKU of two brands) is written too.
//
// event_id = KIND/DOCUMENT, KIND#REVISION/DOCUMENT from revision 2, KIND~LINE/DOCUMENT for what had to be written
// apart; the same table gives the same bytes, and the same document keeps its id from file to file. Reference: KIND/ID
// or KIND/ID@VALID_FROM, ~2, ~3 for other contents.
//
// Several files make one import: convert() each, in order of time, then finish(). One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "processors/stream/error.h"
#include "producers/import/csv_map.h"
#include "producers/import/csv_reader.h"
#include "schemas/time.h"

namespace fiverate {

enum class CsvLine : std::uint8_t { reference, event };

// `line` without line end, valid during the call.
using CsvSink = std::function<Result<void>(CsvLine kind, std::string_view line)>;
// Bytes of the file as stored.
using CsvProgress = std::function<void(std::size_t done, std::size_t all)>;

struct CsvSummary {
  static constexpr std::size_t kProblemsMax = 10;  // the first ones are shown; all are counted, and in quarantine

  std::int64_t rows = 0;
  std::int64_t references = 0;        // lines written
  std::int64_t documents = 0;         // lines written
  std::int64_t bad_rows = 0;          // something in them intake will refuse, the document with them
  std::int64_t conflicts = 0;         // contradicted their document or an earlier reference event
  std::vector<std::string> problems;  // "FILE:LINE: what"
};

class CsvImport {
 public:
  CsvImport(CsvMap map, const MarketCalendar& calendar);
  ~CsvImport();
  CsvImport(const CsvImport&) = delete;
  CsvImport& operator=(const CsvImport&) = delete;

  // Throws MapError if the table does not have the map's columns; nothing has been written then.
  Result<void> convert(CsvInput& input, const CsvSink& sink, const CsvProgress& progress = {});
  // Writes what is still open.
  Result<CsvSummary> finish(const CsvSink& sink);

 private:
  class Work;
  std::unique_ptr<Work> work_;
};

// All of it in memory, for MappedFile::of_text. Lines end with '\n'.
struct CsvText {
  std::string reference;
  std::string events;
  CsvSummary summary;
};
Result<CsvText> convert_to_text(CsvMap map, const MarketCalendar& calendar, CsvInput& input,
                                const CsvProgress& progress = {});

}  // namespace fiverate
