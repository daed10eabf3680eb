# What the scripts beside it share: daemons that are known by their process id and when it began, so that another
# process which got the same id is never taken for one of them. To be sourced.

# When a process began, in the kernel's ticks since it booted; nothing if it has ended.
began() {
    # The name, in parentheses, may have spaces; the state is the first field after it.
    sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | awk '$1 != "Z" { print $20 }'
}

# remember FILE PID
remember() {
    echo "$2 $(began "$2")" >"$1"
}

# Whether the daemon of a record still runs.
runs() {
    [ -s "$1" ] && read -r pid start <"$1" && [ -n "$start" ] && [ "$(began "$pid")" = "$start" ]
}

# end FILE SECONDS: ends the daemon of a record, by force when it hasn't after that time.
end() {
    if runs "$1"; then
        kill -TERM "$pid" || true
        tries=$(($2 * 5))
        while runs "$1" && [ "$tries" -gt 0 ]; do
            sleep 0.2
            tries=$((tries - 1))
        done
        ! runs "$1" || kill -KILL "$pid" || true
    fi
    rm -f "$1"
}

# answers SOCKET
answers() {
    [ "$(curl --silent --max-time 5 --unix-socket "$1" http://engine/_ping)" = OK ]
}

# await SOCKET RECORD SECONDS LOG
await() {
    tries=$(($3 * 5))
    until answers "$1"; do
        if ! runs "$2"; then
            echo "error: it ended at its start: see $4" >&2
            exit 1
        fi
        if [ "$tries" -eq 0 ]; then
            echo "error: it didn't answer within $3 seconds: see $4" >&2
            exit 1
        fi
        sleep 0.2
        tries=$((tries - 1))
    done
}

# folder PATH: makes the folder of an engine, and says its whole path.
folder() {
    mkdir -p "$1"
    path=$(cd "$1" && pwd)
    # An address of a socket has no room for more.
    if [ ${#path} -gt 70 ]; then
        echo "error: sockets can't lie in $path: shorten the path, for example by CARGO_TARGET_DIR" >&2
        exit 1
    fi
    echo "$path"
}

# needs PACKAGE COMMAND: says what to install, if the command isn't there.
needs() {
    if ! command -v "$2" >/dev/null; then
        echo "error: there is no \`$2\`: apt-get install --no-install-recommends $1" >&2
        exit 1
    fi
}

needs_root() {
    if [ "$(id -u)" != 0 ]; then
        echo "error: only root can start it here; name one that answers in $1" >&2
        exit 1
    fi
}
