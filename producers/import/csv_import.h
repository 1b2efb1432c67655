// Converts the rows of a table into events as JSON lines (the contract's form), by a CsvMap. It works as a stream: it keeps
// only the open documents and a hash of each reference event.
//
//   CsvInput -> CsvReader -> row -> reference events, at their first row               -> sink(reference, line)
//                               -> open documents, by event_time -> closed documents   -> sink(event, line)
//
// Rows with the same document id, outlet and revision are lines of one document; they need not be neighbours. When the open
// documents have more than CsvMap::open_times different event times, those of the earliest time are closed and written. A row
// of a time that is closed already stops the import with an error that explains how to sort the table, because a second
// document with the same id would be wrong.
//
// A faulty row becomes an event too: a text that is no number is written as it is, and a row with a wrong number of fields has
// the complaint in place of its lines. Intake then quarantines the event with a reason; the import counts it. A row that
// contradicts the first row of its document (another direction, another time) is written separately, under the same document
// id and an event_id of its own: intake keeps the first event and rejects the other with revision_conflict. A reference event
// with other values than before (a SKU of two brands) is written in the same way.
//
// event_id is KIND/DOCUMENT, from revision 2 KIND#REVISION/DOCUMENT, and KIND~LINE/DOCUMENT for an event that is written
// separately. Of reference events it is KIND/ID or KIND/ID@VALID_FROM, with ~2, ~3 for other values. The same table gives the
// same bytes, and a document has the same id in every file.
//
// Several files make one import: call convert() for each, in order of time, then finish(). One thread.
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

// The row that made a line: the first one of a document.
struct CsvOrigin {
  std::uint32_t table = 0;  // calls of convert() before the one for its table
  std::int64_t line = 0;    // from 1
};

// `line` without line end, valid during the call.
using CsvSink = std::function<Result<void>(CsvLine kind, std::string_view line, CsvOrigin origin)>;
// Counts bytes of the file as it is stored.
using CsvProgress = std::function<void(std::size_t done, std::size_t all)>;

struct CsvSummary {
  static constexpr std::size_t kProblemsMax = 10;  // that `problems` holds; all are counted and quarantined

  std::int64_t rows = 0;
  std::int64_t references = 0;        // lines written
  std::int64_t documents = 0;         // lines written
  std::int64_t bad_rows = 0;          // have a fault for which intake will reject their document
  std::int64_t conflicts = 0;         // contradict their document or an earlier reference event
  std::vector<std::string> problems;  // "FILE:LINE: what"
};

class CsvImport {
 public:
  CsvImport(CsvMap map, const MarketCalendar& calendar);
  ~CsvImport();
  CsvImport(const CsvImport&) = delete;
  CsvImport& operator=(const CsvImport&) = delete;

  // Throws MapError, before anything is written, if the table does not have the map's columns.
  Result<void> convert(CsvInput& input, const CsvSink& sink, const CsvProgress& progress = {});
  // Writes the documents that are still open.
  Result<CsvSummary> finish(const CsvSink& sink);

 private:
  class Work;
  std::unique_ptr<Work> work_;
};

}  // namespace fiverate
