# bash completion for layercache: the program itself knows what can come next.
# SPDX-License-Identifier: Apache-2.0

_layercache()
{
	local cur words cword line
	COMPREPLY=()
	if declare -F _get_comp_words_by_ref >/dev/null; then
		_get_comp_words_by_ref -n := cur words cword
	else
		words=("${COMP_WORDS[@]}")
		cword=$COMP_CWORD
		cur=${words[cword]}
	fi
	while IFS= read -r line; do
		case $line in
		:file)
			compopt -o filenames 2>/dev/null
			while IFS= read -r line; do
				COMPREPLY+=("$line")
			done < <(compgen -f -- "${cur#*:}")
			;;
		:directory)
			compopt -o filenames 2>/dev/null
			while IFS= read -r line; do
				COMPREPLY+=("$line")
			done < <(compgen -d -- "$cur")
			;;
		*)
			COMPREPLY+=("$line")
			[[ $line == *: ]] && compopt -o nospace 2>/dev/null
			;;
		esac
	done < <("${words[0]}" --complete -- "${words[@]:1:cword}" 2>/dev/null)
	if declare -F __ltrim_colon_completions >/dev/null; then
		__ltrim_colon_completions "$cur"
	fi
}
complete -F _layercache layercache
