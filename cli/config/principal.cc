#include "cli/config/principal.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cctype>
#include <memory>

namespace fiverate {
namespace {

using Properties = std::map<std::string, std::string>;

std::string property(const Properties& properties, const std::string& name) {
  const auto found = properties.find(name);
  return found == properties.end() ? std::string() : found->second;
}

std::string lower_case(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// The subject of the first certificate of the file, as Kafka writes it (RFC 2253).
std::optional<std::string> subject_of(const std::string& file) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> in(BIO_new_file(file.c_str(), "r"), BIO_free);
  if (!in) return std::nullopt;
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr),
                                                                X509_free);
  if (!certificate) return std::nullopt;
  const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), BIO_free);
  X509_NAME_print_ex(out.get(), X509_get_subject_name(certificate.get()), 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  char* text = nullptr;
  const auto size = BIO_get_mem_data(out.get(), &text);
  return std::string(text, static_cast<std::size_t>(size));
}

}  // namespace

std::optional<std::string> principal_of(const Properties& properties) {
  const auto protocol = lower_case(property(properties, "security.protocol"));
  if (protocol == "ssl") {
    const auto subject = subject_of(property(properties, "ssl.certificate.location"));
    return subject ? std::optional(std::string(kPrincipalPrefix) + *subject) : std::nullopt;
  }
  if (!protocol.starts_with("sasl_")) return std::nullopt;
  auto mechanism = property(properties, "sasl.mechanisms");
  if (mechanism.empty()) mechanism = property(properties, "sasl.mechanism");
  const auto user = property(properties, "sasl.username");
  if (user.empty() || (mechanism != "PLAIN" && !mechanism.starts_with("SCRAM-"))) return std::nullopt;
  return std::string(kPrincipalPrefix) + user;
}

}  // namespace fiverate
