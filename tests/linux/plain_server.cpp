// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0

// A server that has never heard of berth and sets no option: it listens on each port that it is
// given and ends at once, or says which port it did not get. Without a port it says that it runs and
// does nothing until its standard input ends.

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv)
{
    int refused = 0;
    for (int i = 1; i < argc; ++i) {
        const int server = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in every = {};
        every.sin_family = AF_INET;
        every.sin_port = htons(static_cast<in_port_t>(std::atoi(argv[i])));
        if (::bind(server, reinterpret_cast<sockaddr*>(&every), sizeof(every)) != 0 ||
            ::listen(server, 1) != 0) {
            std::perror(argv[i]);
            ++refused;
        }
    }
    if (argc == 1) {
        (void)!::write(STDOUT_FILENO, "+", 1);
        char end = 0;
        while (::read(STDIN_FILENO, &end, 1) > 0) {
        }
    }
    return refused == 0 ? 0 : 1;
}
