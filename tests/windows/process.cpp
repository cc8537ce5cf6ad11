// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "process.hpp"

#include <windows.h>

#include <array>
#include <filesystem>
#include <stdexcept>
#include <utility>

namespace berth::testing {

namespace {

void check(BOOL result, const char* call)
{
    if (result == 0)
        throw std::runtime_error(std::string(call) + ": error " +
                                 std::to_string(::GetLastError()));
}

// The ends to read from and to write to; `inherited` says which of them a child gets.
std::pair<HANDLE, HANDLE> make_pipe(bool read_end_inherited)
{
    HANDLE read = nullptr;
    HANDLE write = nullptr;
    check(::CreatePipe(&read, &write, nullptr, 0), "CreatePipe");
    check(::SetHandleInformation(read_end_inherited ? read : write, HANDLE_FLAG_INHERIT,
                                 HANDLE_FLAG_INHERIT),
          "SetHandleInformation");
    return {read, write};
}

std::filesystem::path own_directory()
{
    std::array<wchar_t, 4096> name = {};
    ::GetModuleFileNameW(nullptr, name.data(), static_cast<DWORD>(name.size()));
    return std::filesystem::path(name.data()).parent_path();
}

} // namespace

process::process(const std::string& task)
{
    const auto [in, to] = make_pipe(true);
    const auto [from, out] = make_pipe(false);
    STARTUPINFOW how = {};
    how.cb = sizeof(how);
    how.dwFlags = STARTF_USESTDHANDLES;
    how.hStdInput = in;
    how.hStdOutput = out;
    how.hStdError = ::GetStdHandle(STD_ERROR_HANDLE);

    const std::wstring program = (own_directory() / "stranger.exe").wstring();
    std::wstring command =
        L'"' + program + L"\" " + std::wstring(task.begin(), task.end());
    PROCESS_INFORMATION started = {};
    const BOOL result =
        ::CreateProcessW(program.c_str(), command.data(), nullptr, nullptr, TRUE, 0,
                         nullptr, nullptr, &how, &started);
    ::CloseHandle(in);
    ::CloseHandle(out);
    check(result, "CreateProcess");
    ::CloseHandle(started.hThread);
    process_ = started.hProcess;
    id_ = started.dwProcessId;
    to_ = to;
    from_ = from;
}

process::~process()
{
    ::TerminateProcess(process_, 1);
    ::WaitForSingleObject(process_, INFINITE);
    for (void* const handle : {process_, to_, from_})
        ::CloseHandle(handle);
}

void process::say(const std::string& line)
{
    const std::string whole = line + '\n';
    DWORD written = 0;
    check(::WriteFile(to_, whole.data(), static_cast<DWORD>(whole.size()), &written,
                      nullptr),
          "WriteFile");
}

std::string process::hear()
{
    std::string line;
    for (;;) {
        char one = 0;
        DWORD size = 0;
        if (::ReadFile(from_, &one, 1, &size, nullptr) == 0 || size == 0 || one == '\n')
            return line;
        if (one != '\r')
            line += one;
    }
}

} // namespace berth::testing
