#include "cli/live/health_server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <charconv>
#include <thread>

namespace fiverate {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

constexpr std::chrono::seconds kRequestTimeout{5};
constexpr std::uint32_t kHeaderBytesMax = 8 * 1024;
constexpr int kConnectionsMax = 64;

std::optional<tcp::endpoint> endpoint_of(const std::string& address) {
  const auto colon = address.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  auto host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  std::uint16_t port = 0;
  const auto* const end = address.data() + address.size();
  const auto parsed = std::from_chars(address.data() + colon + 1, end, port);
  beast::error_code error;
  const auto ip = asio::ip::make_address(host, error);
  if (error || parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return tcp::endpoint(ip, port);
}

http::response<http::string_body> response_to(const http::request<http::empty_body>& request,
                                              const HealthBoard& board) {
  http::response<http::string_body> response{http::status::ok, request.version()};
  response.set(http::field::content_type, "application/json");
  response.set(http::field::cache_control, "no-store");
  response.keep_alive(false);
  const auto target = request.target();
  if (request.method() != http::verb::get && request.method() != http::verb::head) {
    response.result(http::status::method_not_allowed);
    response.set(http::field::allow, "GET, HEAD");
  } else if (target == "/livez" || target == "/readyz") {
    auto answer = target == "/livez" ? board.livez() : board.readyz();
    if (!answer.good) response.result(http::status::service_unavailable);
    response.body() = std::move(answer.json);
  } else {
    response.result(http::status::not_found);
    response.body() = "{\"error\":\"Not found. This server has /livez and /readyz.\"}\n";
  }
  response.prepare_payload();
  if (request.method() == http::verb::head) response.body().clear();
  return response;
}

// One connection: one request and its response. It owns itself until the response is sent.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, const HealthBoard& board, int& open)
      : stream_(std::move(socket)), board_(board), open_(open) {
    ++open_;
    parser_.header_limit(kHeaderBytesMax);
    parser_.body_limit(0);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { --open_; }

  void start() {
    stream_.expires_after(kRequestTimeout);
    http::async_read(stream_, buffer_, parser_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (!error) self->respond();
    });
  }

 private:
  void respond() {
    response_ = response_to(parser_.get(), board_);
    http::async_write(stream_, response_, [self = shared_from_this()](beast::error_code, std::size_t) {
      beast::error_code ignored;
      self->stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    });
  }

  beast::tcp_stream stream_;
  beast::flat_buffer buffer_{kHeaderBytesMax};
  http::request_parser<http::empty_body> parser_;
  http::response<http::string_body> response_;
  const HealthBoard& board_;
  int& open_;
};

}  // namespace

struct HealthServer::Parts {
  explicit Parts(const HealthBoard& health_board) : board(health_board) {}

  void accept() {
    acceptor.async_accept([this](beast::error_code error, tcp::socket socket) {
      if (error == asio::error::operation_aborted) return;
      if (!error && connections < kConnectionsMax)
        std::make_shared<Connection>(std::move(socket), board, connections)->start();
      if (!error) return accept();
      pause.expires_after(std::chrono::milliseconds(200));  // for example without free file descriptors
      pause.async_wait([this](beast::error_code) { accept(); });
    });
  }

  const HealthBoard& board;
  int connections = 0;  // declared before the context, whose destruction closes connections
  asio::io_context context{1};
  tcp::acceptor acceptor{context};
  asio::steady_timer pause{context};
  std::thread thread;
};

HealthServer::HealthServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

HealthServer::~HealthServer() {
  parts_->context.stop();
  parts_->thread.join();
}

std::string HealthServer::address() const {
  const auto endpoint = parts_->acceptor.local_endpoint();
  const auto host = endpoint.address().to_string();
  return fmt::format("{}:{}", endpoint.address().is_v6() ? "[" + host + "]" : host, endpoint.port());
}

Result<std::unique_ptr<HealthServer>> HealthServer::open(const std::string& address, const HealthBoard& board) {
  const auto endpoint = endpoint_of(address);
  if (!endpoint)
    return fail(Reaction::stop,
                "Invalid address \"{}\" for run.health. Use an address and port such as 127.0.0.1:8081.", address);
  auto parts = std::make_unique<Parts>(board);
  beast::error_code error;
  parts->acceptor.open(endpoint->protocol(), error);
  if (!error) parts->acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) parts->acceptor.bind(*endpoint, error);
  if (!error) parts->acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return fail(Reaction::stop, "run.health: Cannot listen at {}: {}.", address, error.message());
  parts->accept();
  parts->thread = std::thread([raw = parts.get()] { raw->context.run(); });
  return std::unique_ptr<HealthServer>(new HealthServer(std::move(parts)));
}

Result<std::string> http_get(const std::string& address, const std::string& path) {
  constexpr std::chrono::seconds kTimeout{2};
  const auto endpoint = endpoint_of(address);
  if (!endpoint)
    return fail(Reaction::stop, "Invalid address \"{}\". Use an address and port such as 127.0.0.1:8081.", address);
  asio::io_context context;
  beast::tcp_stream stream(context);
  beast::flat_buffer buffer;
  http::request<http::empty_body> request{http::verb::get, path, 11};
  request.set(http::field::host, address);
  http::response<http::string_body> response;
  beast::error_code failed = asio::error::would_block;
  stream.expires_after(kTimeout);
  stream.async_connect(*endpoint, [&](beast::error_code error) {
    if ((failed = error)) return;
    http::async_write(stream, request, [&](beast::error_code sent, std::size_t) {
      if ((failed = sent)) return;
      http::async_read(stream, buffer, response, [&](beast::error_code read, std::size_t) { failed = read; });
    });
  });
  context.run();
  if (failed) return fail(Reaction::retry, "No answer from {}: {}.", address, failed.message());
  return std::move(response.body());
}

}  // namespace fiverate
