// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "stranger.hpp"

#include <asio/read_until.hpp>
#include <asio/write.hpp>

#include <bit>
#include <cstddef>
#include <cstdio>
#include <iostream>
#include <set>

// A process of somebody else's, which answers each line on its standard input by one.

using berth::testing::bind_udp;
using berth::testing::claim;
using berth::testing::every_claim;
using berth::testing::stranger;

namespace {

// "ADDRESS PORT": what bind() and then listen() say to each claim.
void steal()
{
    std::string address;
    for (std::uint16_t port = 0; std::cin >> address >> port;) {
        for (const claim what : every_claim) {
            stranger one(address, what);
            const std::string result = one.bind(port);
            std::cout << (result == "ok" ? one.listen() : result) << ' ';
        }
        std::cout << std::endl;
    }
}

// The same for UDP, where bind() is all there is.
void steal_udp()
{
    std::string address;
    for (std::uint16_t port = 0; std::cin >> address >> port;) {
        for (const claim what : every_claim)
            std::cout << bind_udp(address, what, port) << ' ';
        std::cout << std::endl;
    }
}

// "NUMBER": the different ports that so many binds to port 0 give, all of them open.
void crowd()
{
    std::size_t number = 0;
    std::cin >> number;
    std::vector<std::unique_ptr<stranger>> all;
    while (all.size() < number) {
        const char* const address = all.size() % 2 == 0 ? "127.0.0.1" : "::";
        all.push_back(std::make_unique<stranger>(address, claim::reuse));
        if (all.back()->bind(0) == "ok")
            std::cout << all.back()->port() << ' ';
    }
    std::cout << std::endl;
}

// The bytes of a WSAPROTOCOL_INFOW in hexadecimal: listens on that socket, says so, and greets one
// client.
void take_over()
{
    std::array<std::byte, sizeof(WSAPROTOCOL_INFOW)> bytes = {};
    std::string text;
    std::cin >> text;
    for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = std::byte(std::stoi(text.substr(2 * i, 2), nullptr, 16));
    auto info = std::bit_cast<WSAPROTOCOL_INFOW>(bytes);

    asio::io_context context;
    const SOCKET socket =
        ::WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &info, 0,
                     WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
    if (socket == INVALID_SOCKET) {
        std::cout << "WSASocket: " << ::WSAGetLastError() << std::endl;
        return;
    }
    asio::ip::tcp::acceptor acceptor(context, asio::ip::tcp::v6(), socket);
    acceptor.listen();
    std::cout << "listening" << std::endl;
    acceptor.async_accept([](std::error_code, asio::ip::tcp::socket client) {
        asio::write(client, asio::buffer("ahoy", 4));
    });
    context.run();
    std::cin >> text; // until the parent has gone
}

// Holds what it has inherited until its parent has gone.
void idle()
{
    std::cout << "here" << std::endl;
    std::string nothing;
    std::cin >> nothing;
}

} // namespace

int main(int argc, char** argv)
{
    try {
        const std::string task = argc > 1 ? argv[1] : "";
        if (task == "steal")
            steal();
        else if (task == "steal_udp")
            steal_udp();
        else if (task == "crowd")
            crowd();
        else if (task == "take_over")
            take_over();
        else
            idle();
        return 0;
    } catch (const std::exception& e) {
        std::fprintf(stderr, "stranger: %s\n", e.what());
        return 1;
    }
}
