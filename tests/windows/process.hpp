// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstdint>
#include <string>

namespace berth::testing {

/// The program `stranger`, which knows nothing of berth: told by one word what to do, and by
/// lines on its standard input to what. It is started as programs often are: what can be
/// inherited is inherited.
class process {
public:
    explicit process(const std::string& task);
    process(const process&) = delete;
    process& operator=(const process&) = delete;

    /// Ends it.
    ~process();

    [[nodiscard]] std::uint32_t id() const noexcept { return id_; }

    void say(const std::string& line);

    /// Its next line; empty when it has ended.
    [[nodiscard]] std::string hear();

private:
    void* process_ = nullptr;
    void* to_ = nullptr;
    void* from_ = nullptr;
    std::uint32_t id_ = 0;
};

} // namespace berth::testing
