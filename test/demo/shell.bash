# What `make demo-shell` reads instead of ~/.bashrc, so that nobody takes it for a shell of their own cluster.
[ -f ~/.bashrc ] && . ~/.bashrc
PS1="(tracing demo) $PS1"
