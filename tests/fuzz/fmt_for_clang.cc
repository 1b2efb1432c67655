// The one template of fmt whose instance in Debian's library clang looks for under another name than g++, which built it.
#include <fmt/format.h>

template void fmt::detail::vformat_to<char>(buffer<char>&, fmt::basic_string_view<char>,
                                            fmt::basic_format_args<FMT_BUFFER_CONTEXT(fmt::type_identity_t<char>)>,
                                            locale_ref);
