#include "cli/config/principal.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace fiverate::test {
namespace {

// openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/C=CN/O=Yunling Tobacco, Ltd/CN=ops"
constexpr std::string_view kCertificate = R"(-----BEGIN CERTIFICATE-----
MIIBzDCCAXGgAwIBAgIUJZqD6zI9mCPNiuy358I4rLRsYGswCgYIKoZIzj0EAwIw
OjELMAkGA1UEBhMCQ04xHTAbBgNVBAoMFFl1bmxpbmcgVG9iYWNjbywgTHRkMQww
CgYDVQQDDANvcHMwIBcNMjYxMTI5MDY0MDEzWhgPMjEyNjExMDUwNjQwMTNaMDox
CzAJBgNVBAYTAkNOMR0wGwYDVQQKDBRZdW5saW5nIFRvYmFjY28sIEx0ZDEMMAoG
A1UEAwwDb3BzMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE5NHoEo8SrZr80h5K
xKEWoinZpJnnbziHO/gHAvvf3appFG7mWYeJkTGKxa7TGdmWeSLdf0BxXtNMX3wo
YG3hhaNTMFEwHQYDVR0OBBYEFFa1b34NRF5RHmTJtkUeem1MBxoBMB8GA1UdIwQY
MBaAFFa1b34NRF5RHmTJtkUeem1MBxoBMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZI
zj0EAwIDSQAwRgIhAJpdc+I+Y7F0uLGvxRraKqX27cwhu2RHkc9kcpOXimDAAiEA
+zyRyTZf1sL7T+MdzSMX0xqza1a0qp7hxVAC8Mhhtik=
-----END CERTIFICATE-----
)";

TEST(Principal, OfAUserWithAPassword) {
  EXPECT_EQ(
      principal_of({{"security.protocol", "SASL_SSL"}, {"sasl.mechanisms", "SCRAM-SHA-512"}, {"sasl.username", "ops"}}),
      "User:ops");
  EXPECT_EQ(
      principal_of({{"security.protocol", "sasl_plaintext"}, {"sasl.mechanism", "PLAIN"}, {"sasl.username", "ops"}}),
      "User:ops");
}

TEST(Principal, OfAClientCertificateIsItsSubject) {
  const auto file = std::filesystem::temp_directory_path() / "fiverate-principal-test.pem";
  std::ofstream(file) << kCertificate;
  EXPECT_EQ(principal_of({{"security.protocol", "ssl"}, {"ssl.certificate.location", file.string()}}),
            "User:CN=ops,O=Yunling Tobacco\\, Ltd,C=CN");
  std::filesystem::remove(file);
}

TEST(Principal, IsUnknownOtherwise) {
  EXPECT_EQ(principal_of({}), std::nullopt);
  EXPECT_EQ(principal_of({{"sasl.username", "ops"}, {"sasl.mechanisms", "PLAIN"}}), std::nullopt)
      << "a plain connection";
  EXPECT_EQ(principal_of({{"security.protocol", "sasl_ssl"}, {"sasl.username", "ops"}}), std::nullopt) << "Kerberos";
  EXPECT_EQ(principal_of({{"security.protocol", "ssl"}}), std::nullopt) << "without a certificate of the client";
  EXPECT_EQ(principal_of({{"security.protocol", "ssl"}, {"ssl.certificate.location", "/nonexistent"}}), std::nullopt);
}

}  // namespace
}  // namespace fiverate::test
