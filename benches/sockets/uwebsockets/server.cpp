// The echo server of uWebSockets, with the handler of its documentation. It prints its port.

#include <cstdio>
#include <string_view>

#include "App.h"

struct PerSocketData {};

int main() {
    constexpr unsigned MAX_LEN = 64 << 20;
    uWS::App()
        .ws<PerSocketData>("/*", {
            .compression = uWS::DISABLED,
            .maxPayloadLength = MAX_LEN,
            .maxBackpressure = MAX_LEN,
            .message = [](auto *socket, std::string_view message, uWS::OpCode opcode) {
                socket->send(message, opcode);
            },
        })
        .listen("127.0.0.1", 0, [](us_listen_socket_t *listener) {
            if (listener != nullptr) {
                std::printf("%d\n", us_socket_local_port(0, reinterpret_cast<us_socket_t *>(listener)));
                std::fflush(stdout);
            }
        })
        .run();
}
