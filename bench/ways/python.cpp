// Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
#include "kit/check.hpp"
#include "way.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <sstream>

namespace bench {

namespace {

// A Python that runs the script, and lives as long as this object.
class interpreter {
public:
    explicit interpreter(goods what)
    {
        int questions[2];
        int answers[2];
        check(::pipe2(questions, O_CLOEXEC), "pipe");
        check(::pipe2(answers, O_CLOEXEC), "pipe");
        pid_ = check(::fork(), "fork");
        if (pid_ == 0) {
            ::dup2(questions[0], STDIN_FILENO);
            ::dup2(answers[1], STDOUT_FILENO);
            ::execl(BENCH_PYTHON, "python3", "-I", "-S", BENCH_PYTHON_SCRIPT,
                    to_string(what).c_str(), nullptr);
            ::_exit(127);
        }
        ::close(questions[0]);
        ::close(answers[1]);
        questions_.reset(::fdopen(questions[1], "w"));
        answers_.reset(::fdopen(answers[0], "r"));
        (void)run(1, false);
    }

    interpreter(const interpreter&) = delete;
    interpreter& operator=(const interpreter&) = delete;

    ~interpreter()
    {
        questions_.reset(); // the end of its input ends it
        ::waitpid(pid_, nullptr, 0);
    }

    std::string run(std::size_t operations, bool timed)
    {
        std::fprintf(questions_.get(), "%zu %d\n", operations, timed ? 1 : 0);
        std::fflush(questions_.get());
        std::string answer;
        for (int c = 0; (c = std::getc(answers_.get())) != '\n';) {
            if (c == EOF)
                throw not_possible_here("Python: " BENCH_PYTHON " does not run " +
                                        std::string(BENCH_PYTHON_SCRIPT));
            answer += static_cast<char>(c);
        }
        return answer;
    }

private:
    struct close_file {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };

    pid_t pid_ = -1;
    std::unique_ptr<std::FILE, close_file> questions_;
    std::unique_ptr<std::FILE, close_file> answers_;
};

} // namespace

way python_way(goods what)
{
    const auto python = std::make_shared<interpreter>(what);
    const auto run = [python](const task& its) {
        std::istringstream answer(python->run(its.operations, its.latencies != nullptr));
        for (std::uint64_t latency = 0; answer >> latency;)
            its.latencies->add(latency);
    };
    return {"Python", run, true};
}

} // namespace bench
