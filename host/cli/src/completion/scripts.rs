//! The scripts that shells run.

/// The shells that have one.
pub(crate) const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

/// The script of a shell.
pub(crate) fn script(shell: &str) -> Option<&'static str> {
    match shell {
        "bash" => Some(BASH),
        "zsh" => Some(ZSH),
        "fish" => Some(FISH),
        _ => None,
    }
}

/// Bash parts words at colons and equal signs, and wants no more than what
/// follows the last of them.
const BASH: &str = r#"# bash completion for bulkhead
_bulkhead() {
    local line="${COMP_LINE:0:COMP_POINT}" current candidate
    local -a typed
    read -ra typed <<<"$line"
    [[ $line == *[[:space:]] ]] && typed+=("")
    current="${typed[-1]}"
    local parted="${current%"${current##*[:=]}"}"
    COMPREPLY=()
    while IFS=$'\t' read -r candidate _; do
        COMPREPLY+=("${candidate#"$parted"}")
    done < <("${typed[0]}" __complete "${typed[@]:1}" 2>/dev/null)
}
complete -o bashdefault -o default -F _bulkhead bulkhead
"#;

const ZSH: &str = r#"#compdef bulkhead
_bulkhead() {
    local -a candidates
    local name about
    while IFS=$'\t' read -r name about; do
        candidates+=("${name//:/\\:}:$about")
    done < <("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
    if (( $#candidates )); then
        _describe 'bulkhead' candidates
    else
        _files
    fi
}
if [ "$funcstack[1]" = "_bulkhead" ]; then
    _bulkhead "$@"
else
    compdef _bulkhead bulkhead
fi
"#;

const FISH: &str = r#"# fish completion for bulkhead
function __bulkhead_complete
    set -l typed (commandline -opc)
    $typed[1] __complete $typed[2..-1] (commandline -ct) 2>/dev/null
end
complete -c bulkhead -a '(__bulkhead_complete)'
"#;
