// Includes fmt so that templates which libfmt already contains are not compiled again. Include this instead of <fmt/format.h>.
#pragma once

#include <fmt/format.h>

#if FMT_VERSION >= 90000 && FMT_VERSION < 100000
// fmt 9 exports this instance but does not declare it. It contains all formatting of numbers and takes half of the time to compile
// a file with a few calls of fmt::format_to.
extern template void fmt::detail::vformat_to(fmt::detail::buffer<char>&, fmt::string_view,
                                             fmt::basic_format_args<fmt::buffer_context<char>>,
                                             fmt::detail::locale_ref);
#endif
