
# Where a command takes a project, its name is completed too. A colon is part of a build's name (gkp:42), and bash
# breaks words at it unless __ltrim_colon_completions (bash-completion) mends that.
_unitci_projects() {
    local command=$1 word=$2
    "_$command" "$@"
    local cur=$word
    [[ $(type -t _get_comp_words_by_ref) != function ]] || _get_comp_words_by_ref -n : cur
    [[ $cur == -* ]] || COMPREPLY+=($(compgen -W "$(ci-config names 2>/dev/null)" -- "$cur"))
    [[ $(type -t __ltrim_colon_completions) != function ]] || __ltrim_colon_completions "$cur"
}
for _unitci_command in ci-build ci-poll ci-deploy ci-status; do
    [[ $(type -t "_$_unitci_command") != function ]] || complete -F _unitci_projects -o bashdefault "$_unitci_command"
done
unset _unitci_command
