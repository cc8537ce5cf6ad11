// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "programs.hpp"

#include "child.hpp"
#include "talk.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace load {

namespace {

using asio::ip::tcp;
using words = std::vector<std::string>;

void write_file(const std::string& path, const std::string& text)
{
    std::ofstream file(path);
    file << text << std::flush;
    if (!file)
        throw std::runtime_error("cannot write " + path);
}

std::string read_file(const std::string& path)
{
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

bool contains(const std::string& text, const std::string& part)
{
    return text.find(part) != std::string::npos;
}

asio::awaitable<void> nothing(const instance&)
{
    co_return;
}

// A file in the server's own directory, of which the request does not tell what is in it.
asio::awaitable<void> prepare_file(const instance& its)
{
    write_file(its.file("token.txt"), its.token + '\n');
    co_return;
}

asio::awaitable<bool> serves_file(tcp::socket& server, const instance& its)
{
    const std::string answer =
        co_await ask(server, "GET /token.txt HTTP/1.0\r\nHost: localhost\r\n\r\n");
    co_return answer.starts_with("HTTP/1.") && contains(answer, its.token);
}

// --- python3 -m http.server ---

words python_command(const instance& its)
{
    return {"python3", "-m",        "http.server", std::to_string(its.port),
            "--bind",  "127.0.0.1", "--directory", its.directory};
}

// --- nginx: one process, all it writes in its own directory ---

words nginx_command(const instance& its)
{
    write_file(its.file("nginx.conf"), fmt::format(R"(daemon off;
master_process off;
pid {0}/pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {0}/body;
    proxy_temp_path {0}/proxy;
    fastcgi_temp_path {0}/fastcgi;
    scgi_temp_path {0}/scgi;
    uwsgi_temp_path {0}/uwsgi;
    server {{
        listen 127.0.0.1:{1};
        location / {{ root {0}; }}
    }}
}}
)",
                                                   its.directory, its.port));
    return {"nginx", "-p", its.directory, "-c", its.file("nginx.conf"), "-e", "stderr"};
}

// --- redis-server ---

words redis_command(const instance& its)
{
    return {"redis-server", "--port",    std::to_string(its.port),
            "--bind",       "127.0.0.1", "--dir",
            its.directory,  "--save",    "",
            "--appendonly", "no"};
}

asio::awaitable<bool> answers_as_redis(tcp::socket& server, const instance& its)
{
    const std::string answer = co_await ask(
        server,
        fmt::format("SET token {}\r\nGET token\r\nINFO server\r\nQUIT\r\n", its.token));
    co_return contains(answer, fmt::format("\r\n{}\r\n", its.token)) &&
        contains(answer, fmt::format("\r\nprocess_id:{}\r\n", its.pid));
}

// --- memcached ---

words memcached_command(const instance& its)
{
    words command = {"memcached", "-l", "127.0.0.1", "-p", std::to_string(its.port),
                     "-U",        "0",  "-m",        "8",  "-c",
                     "64",        "-t", "1"};
    if (::geteuid() == 0)
        command.insert(command.end(), {"-u", "nobody"});
    return command;
}

asio::awaitable<bool> answers_as_memcached(tcp::socket& server, const instance& its)
{
    const std::string answer = co_await ask(
        server, fmt::format("set token 0 0 {}\r\n{}\r\nget token\r\nstats\r\nquit\r\n",
                            its.token.size(), its.token));
    co_return answer.starts_with("STORED\r\n") &&
        contains(answer, fmt::format("\r\n{}\r\n", its.token)) &&
        contains(answer, fmt::format("STAT pid {}\r\n", its.pid));
}

// --- openssl s_server: turns lines round, under a certificate of its own ---

asio::awaitable<void> run(words command, std::string in, std::string out, std::string err)
{
    const descriptor input = open_file(in, O_RDONLY);
    const descriptor output = open_file(out, O_WRONLY | O_CREAT | O_TRUNC);
    const descriptor errors = open_file(err, O_WRONLY | O_CREAT | O_TRUNC);
    child program(command, {input.get(), output.get(), errors.get()});
    co_await program.ends_within(patience);
    if (!program.succeeded())
        throw std::runtime_error(fmt::format("{} {} {}: {}", command[0], command[1],
                                             program.describe(), read_file(err)));
}

asio::awaitable<void> prepare_openssl(const instance& its)
{
    words command = {"openssl",
                     "req",
                     "-x509",
                     "-newkey",
                     "ec",
                     "-pkeyopt",
                     "ec_paramgen_curve:prime256v1",
                     "-nodes",
                     "-subj",
                     "/CN=" + its.token,
                     "-keyout",
                     its.file("key.pem"),
                     "-out",
                     its.file("certificate.pem")};
    co_await run(std::move(command), "/dev/null", "/dev/null", its.file("req.log"));
}

words openssl_command(const instance& its)
{
    return {
        "openssl", "s_server",          "-accept", fmt::format("127.0.0.1:{}", its.port),
        "-key",    its.file("key.pem"), "-cert",   its.file("certificate.pem"),
        "-rev"};
}

asio::awaitable<bool> answers_as_openssl(tcp::socket& server, const instance& its)
{
    // It talks to one client at a time, and this one speaks no TLS.
    server.close();

    write_file(its.file("question"), its.token + "\nCLOSE\n");
    words command = {"openssl",  "s_client",
                     "-connect", fmt::format("127.0.0.1:{}", its.port),
                     "-quiet",   "-verify_return_error",
                     "-CAfile",  its.file("certificate.pem")};
    co_await run(std::move(command), its.file("question"), its.file("answer"),
                 its.file("s_client.log"));
    std::string expected = its.token;
    std::ranges::reverse(expected);
    co_return contains(read_file(its.file("answer")), expected);
}

// --- node ---

words node_command(const instance& its)
{
    return {"node", "-e",
            "require('http').createServer((request, response) =>"
            " response.end(request.url + ' ' + process.argv[2]))"
            ".listen(Number(process.argv[1]), '127.0.0.1')",
            std::to_string(its.port), its.token};
}

asio::awaitable<bool> answers_as_node(tcp::socket& server, const instance& its)
{
    const std::string nonce =
        fmt::format("/from-{}-to-{}", server.local_endpoint().port(), its.port);
    const std::string answer = co_await ask(
        server, fmt::format("GET {} HTTP/1.0\r\nHost: localhost\r\n\r\n", nonce));
    co_return answer.starts_with("HTTP/1.") && contains(answer, nonce + ' ' + its.token);
}

constexpr std::array programs = {
    program{"python3 -m http.server", prepare_file, python_command, serves_file},
    program{"redis-server", nothing, redis_command, answers_as_redis},
    program{"nginx", prepare_file, nginx_command, serves_file},
    program{"memcached", nothing, memcached_command, answers_as_memcached},
    program{"openssl s_server", prepare_openssl, openssl_command, answers_as_openssl},
    program{"node", nothing, node_command, answers_as_node},
};

} // namespace

std::span<const program> known_programs()
{
    return programs;
}

} // namespace load
