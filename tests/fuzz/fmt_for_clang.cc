// Debian's libfmt is built with g++, and clang gives this one instance of a template another name. Therefore clang builds need it.
#include <fmt/format.h>

template void fmt::detail::vformat_to<char>(buffer<char>&, fmt::basic_string_view<char>,
                                            fmt::basic_format_args<FMT_BUFFER_CONTEXT(fmt::type_identity_t<char>)>,
                                            locale_ref);
