"""Scripts with which a shell asks for completion. Each calls the program with the words of the line."""

ASK = "__complete"
"""First argument of a call that asks; no command has this name."""

_BASH = f"""\
# Completion of pilothouse for bash; as ~/.local/share/bash-completion/completions/pilothouse
_pilothouse() {{
    local line reply=()
    while IFS=$'\\t' read -r line _; do reply+=("$line"); done < <(
        "${{COMP_WORDS[0]}}" {ASK} "${{COMP_WORDS[@]:1:COMP_CWORD}}" 2>/dev/null)
    if [[ ${{reply[0]}} == :files ]]; then
        compopt -o default
        COMPREPLY=()
    else
        COMPREPLY=("${{reply[@]}}")
    fi
}}
complete -F _pilothouse pilothouse
"""
_ZSH = f"""\
#compdef pilothouse
# Completion of pilothouse for zsh; in ~/.zshrc after compinit: source <(pilothouse completion zsh)
_pilothouse() {{
    local line
    local -a reply
    while IFS= read -r line; do
        if [[ $line == :files* ]]; then _files; return; fi
        reply+=("${{line/$'\\t'/:}}")
    done < <("${{words[1]}}" {ASK} "${{(@)words[2,CURRENT]}}" 2>/dev/null)
    (( $#reply )) && _describe -V pilothouse reply
}}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _pilothouse "$@"; else compdef _pilothouse pilothouse; fi
"""
_FISH = f"""\
# Completion of pilothouse for fish; as ~/.config/fish/completions/pilothouse.fish
function __pilothouse_words
    set -l line (commandline -opc) (commandline -ct)
    set -l reply ($line[1] {ASK} $line[2..-1] 2>/dev/null)
    if string match -q ':files*' -- $reply[1]
        __fish_complete_path (commandline -ct)
    else
        printf '%s\\n' $reply
    end
end
complete -c pilothouse -f -a '(__pilothouse_words)'
"""
SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
