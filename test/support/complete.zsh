# What an interactive zsh makes of a line when Tab is pressed once behind it: `zsh -f complete.zsh SCRIPT LINE`.
zmodload zsh/zpty
script=$1 line=$2

await() { local out; while zpty -r shell out; do [[ $out == *$1* ]] && { print -r -- $out; return }; done; return 1 }

TERM=dumb zpty shell zsh -f -i
zpty -w shell "stty -echo; PS1= PS2= RPS1=; autoload -Uz compinit; compinit -u -D; source ${(q)script}; print REA''DY"
await READY > /dev/null
zpty -w shell "bindkey '^I' complete-word; show() { print -r -- \"[LI\"\"NE:\$BUFFER:EN\"\"D]\" }; zle -N show; bindkey '^Y' show; print BOU''ND"
await BOUND > /dev/null
zpty -n -w shell "$line"$'\t\x19'
await ':END]'
zpty -d shell
