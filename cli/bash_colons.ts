import type { ShellCompletion } from "@optique/core/completion";

/** How the script of optique tells bash whom to ask. */
const ASKED = /-F _(\w+) -- (\S+)/g;

/**
 * Bash splits words at colons, and replaces only what follows the last one. Names of pmz have colons: "8081:http", "echo.default:80".
 * So the words are joined again before optique's function sees them, and what stands before the last colon is taken off its answers.
 */
const JOINING = (name: string) => `
_${name}_with_colons () {
  local rest="\${COMP_LINE:0:COMP_POINT}" word space i
  local -a joined=()
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    space=0
    while [[ "$rest" == [[:space:]]* ]]; do
      space=1
      rest="\${rest:1}"
    done
    ((i < COMP_CWORD)) || word="$rest"
    if ((i > 1 && !space)) && [[ "$word" == :* || "\${joined[\${#joined[@]}-1]}" == *: ]]; then
      joined[\${#joined[@]}-1]+="$word"
    else
      joined+=("$word")
    fi
    rest="\${rest:\${#word}}"
  done
  local current="\${joined[\${#joined[@]}-1]}"
  if [[ "$current" != *:* || "$COMP_WORDBREAKS" != *:* || "$current" == [\\"\\']* ]]; then
    _${name} "$@"
    return
  fi
  local -a COMP_WORDS=("\${joined[@]}")
  local COMP_CWORD=$((\${#joined[@]} - 1))
  _${name} "$1" "$current" "$3"
  COMPREPLY=("\${COMPREPLY[@]#"\${current%"\${current##*:}"}"}")
}
`;

/** Completion for bash in which words may have colons. */
export function withColons(bash: ShellCompletion): ShellCompletion {
  return {
    ...bash,
    generateScript(programName, args) {
      const script = bash.generateScript(programName, args);
      const [, name = programName] = [...script.matchAll(ASKED)][0] ?? [];
      return `${JOINING(name)}${script.replace(ASKED, `-F _${name}_with_colons -- $2`)}`;
    },
  };
}
