# Runs a program in its window. What it writes is shown there, and goes to two pipes for the logs;
# a third pipe tells that all three are open, and how the program ended.
# $1: the folder of the pipes. The rest: the program and its arguments.
pipes=$1
shift
exec 3>"$pipes/exit" 4>"$pipes/stdout" 5>"$pipes/stderr" 6>&1 </dev/null
echo open >&3
# SIGTERM goes to all in this window, but is meant for the program: every shell here stays to see how that
# ends (a subshell forgets traps), and `tee` until all is written.
stay='trap : TERM'
show() {
    trap '' TERM
    exec tee "/dev/fd/$1" >&6 3>&-
}
$stay
{
    $stay
    {
        $stay
        "$@" 2>&7 3>&- 4>&- 5>&- 6>&- 7>&-
        echo "$?" >&3
    } | show 4 7>&-
} 7>&1 | show 5
