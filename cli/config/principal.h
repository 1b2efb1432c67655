// The user of a Kafka connection.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace fiverate {

// Kafka's names of authenticated users begin so.
inline constexpr std::string_view kPrincipalPrefix = "User:";

// The principal that Kafka gives a connection with these properties of librdkafka: "User:ops" of a user with a password, "User:CN=ops" of a
// client certificate. Nothing: the connection is not authenticated, or by other means.
[[nodiscard]] std::optional<std::string> principal_of(const std::map<std::string, std::string>& properties);

}  // namespace fiverate
