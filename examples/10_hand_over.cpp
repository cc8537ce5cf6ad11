// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0

// Windows: a child process takes over the very socket that held the port. Nobody can come
// in between, since the port is never free.

#include <berth/berth.hpp>

#include <asio/io_context.hpp>
#include <asio/read.hpp>
#include <asio/write.hpp>

#include <windows.h>

#include <array>
#include <bit>
#include <exception>
#include <iostream>
#include <string>

using asio::ip::tcp;

void check(bool succeeded, const char* call)
{
    if (!succeeded)
        throw std::system_error(static_cast<int>(::GetLastError()),
                                asio::error::get_system_category(), call);
}

// This program once more, as the server. Its standard input is a pipe; it answers on a second
// one when it listens.
class server_process {
public:
    server_process()
    {
        HANDLE input = nullptr;
        HANDLE output = nullptr;
        check(::CreatePipe(&input, &to_, nullptr, 0) &&
                  ::CreatePipe(&from_, &output, nullptr, 0),
              "CreatePipe");
        for (const HANDLE handle : {input, output})
            ::SetHandleInformation(handle, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);

        std::array<wchar_t, 4096> program = {};
        ::GetModuleFileNameW(nullptr, program.data(), static_cast<DWORD>(program.size()));
        std::wstring command = L"hand_over --serve";
        STARTUPINFOW how = {};
        how.cb = sizeof(how);
        how.dwFlags = STARTF_USESTDHANDLES;
        how.hStdInput = input;
        how.hStdOutput = output;
        how.hStdError = ::GetStdHandle(STD_ERROR_HANDLE);
        const BOOL started =
            ::CreateProcessW(program.data(), command.data(), nullptr, nullptr, TRUE, 0,
                             nullptr, nullptr, &how, &process_);
        ::CloseHandle(input);
        ::CloseHandle(output);
        check(started, "CreateProcess");
    }

    server_process(const server_process&) = delete;
    server_process& operator=(const server_process&) = delete;

    ~server_process()
    {
        ::WaitForSingleObject(process_.hProcess, 10'000);
        for (const HANDLE handle : {process_.hProcess, process_.hThread, to_, from_})
            ::CloseHandle(handle);
    }

    DWORD id() const { return process_.dwProcessId; }

    void tell(const berth::protocol_info& info)
    {
        DWORD size = 0;
        check(::WriteFile(to_, info.data(), sizeof(info), &size, nullptr), "WriteFile");
    }

    // Whether it has said that it listens.
    bool listens()
    {
        char said = 0;
        DWORD size = 0;
        return ::ReadFile(from_, &said, 1, &size, nullptr) && size == 1;
    }

private:
    PROCESS_INFORMATION process_ = {};
    HANDLE to_ = nullptr;
    HANDLE from_ = nullptr;
};

// The child: all that it needs of berth is nothing.
int serve()
{
    berth::protocol_info bytes;
    DWORD size = 0;
    check(::ReadFile(::GetStdHandle(STD_INPUT_HANDLE), bytes.data(), sizeof(bytes), &size,
                     nullptr),
          "ReadFile");

    asio::io_context context; // starts Winsock
    tcp::acceptor acceptor(context);
    auto info = std::bit_cast<WSAPROTOCOL_INFOW>(bytes);
    acceptor.assign(tcp::v6(),
                    ::WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO,
                                 FROM_PROTOCOL_INFO, &info, 0, WSA_FLAG_OVERLAPPED));
    acceptor.listen();
    check(::WriteFile(::GetStdHandle(STD_OUTPUT_HANDLE), "!", 1, &size, nullptr),
          "WriteFile");

    acceptor.async_accept([](std::error_code ec, tcp::socket client) {
        if (!ec)
            asio::write(client, asio::buffer("the child is at the helm", 24), ec);
    });
    context.run();
    return 0;
}

int hand_over()
{
    berth::port_lease lease = berth::find_unused_port();
    const std::uint16_t port = lease.port();

    server_process server;
    server.tell(lease.duplicate_for(server.id()));
    if (!server.listens())
        return 1;
    lease.release(); // the child has it now

    asio::io_context context;
    tcp::socket client(context);
    client.connect({asio::ip::address_v4::loopback(), port});
    std::string heard;
    std::error_code ec;
    asio::read(client, asio::dynamic_buffer(heard), ec);
    std::cout << "port " << port << ": " << heard << '\n';
    return heard == "the child is at the helm" ? 0 : 1;
}

int main(int argc, char**)
{
    try {
        return argc > 1 ? serve() : hand_over();
    } catch (const std::exception& e) {
        std::cerr << e.what() << '\n';
        return 1;
    }
}
