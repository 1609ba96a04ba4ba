/**
 * What a shell needs to ask us for completions, by name. kubectl asks a program `kubectl_complete-tracing` on PATH, and
 * understands what it prints as its own completions do; the others are for the plug-in called by its own name.
 */
export const SCRIPTS: Record<string, string> = {
  kubectl: `#!/bin/sh
exec kubectl-tracing __complete "$@"
`,
  bash: `_kubectl_tracing() {
  local IFS=$'\\n' line
  COMPREPLY=()
  for line in $(kubectl-tracing __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null); do
    case $line in
      :0) COMPREPLY+=($(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}")) ;;
      :6) compopt -o nospace ;;
      :*) ;;
      *) COMPREPLY+=("\${line%%$'\\t'*}") ;;
    esac
  done
}
complete -F _kubectl_tracing kubectl-tracing
`,
  zsh: `#compdef kubectl-tracing
_kubectl_tracing() {
  local -a found; local line suffix=''
  for line in "\${(@f)$(kubectl-tracing __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    case $line in
      :0) _files ;;
      :6) suffix='-' ;;
      :*) ;;
      *) found+=("\${line%%$'\\t'*}") ;;
    esac
  done
  if [[ -n $suffix ]]; then compadd -S '' -- $found; else compadd -- $found; fi
}
compdef _kubectl_tracing kubectl-tracing
`,
  fish: `function __kubectl_tracing
  set -l words (commandline -opc) (commandline -ct)
  for line in (kubectl-tracing __complete $words[2..-1] 2>/dev/null)
    switch $line
      case ':0'
        __fish_complete_path (commandline -ct)
      case ':*'
      case '*'
        echo $line
    end
  end
end
complete -c kubectl-tracing -f -a '(__kubectl_tracing)'
`,
};
