// fmt, without compiling its machinery again in every file that formats: libfmt has it. Include this instead of <fmt/format.h>.
#pragma once

#include <fmt/format.h>

#if FMT_VERSION >= 90000 && FMT_VERSION < 100000
// fmt 9 exports this one but does not declare it; behind it is all formatting of numbers, half of the time that a file with a
// few calls of fmt::format_to takes to compile.
extern template void fmt::detail::vformat_to(fmt::detail::buffer<char>&, fmt::string_view,
                                             fmt::basic_format_args<fmt::buffer_context<char>>, fmt::detail::locale_ref);
#endif
