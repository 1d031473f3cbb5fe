import { isUsed, parseLine } from './argv.ts'
import type { Flag } from './flag.ts'
import { isLeaf } from './node.ts'
import { root } from './tree.ts'

/** Candidates for the next word after `words`, whose last is the one begun: commands, flags, or the values of a flag just named.
 *  Not filtered by what has been typed; the shell does that. Source: spec 06, 2.4. */
export async function complete(words: readonly string[], _env: Readonly<Record<string, string | undefined>>): Promise<string[]> {
  const last = words.at(-1) ?? ''
  const before = await parseLine(words.slice(0, -1), root)
  if (last.startsWith('--')) {
    const named = before.flags.find((f) => `--${f.name}` === last)
    if (named?.values) return [...named.values]
    return before.flags.filter((f) => !f.hidden && (f.repeated || !isUsed(before, f.name))).flatMap(spellings)
  }
  const pending = before.flags.find((f) => `--${f.name}` === words.at(-2) && f.type !== 'bool')
  if (pending) return [...(pending.values ?? [])]
  if (isLeaf(before.at)) return before.command?.args.find((a) => a.values)?.values?.slice() ?? []
  return Object.entries(before.at.children)
    .filter(([, node]) => !node.hidden)
    .map(([name]) => name)
}

const spellings = (flag: Flag): string[] => [`--${flag.name}`]

/** Script that bash sources. */
export const bashScript = (): string => `
_kura_complete() {
  local line candidates
  candidates=$("\${COMP_WORDS[0]}" --completion-bash "\${COMP_WORDS[@]:1:COMP_CWORD}")
  COMPREPLY=()
  while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -W "$candidates" -- "\${COMP_WORDS[COMP_CWORD]}")
  return 0
}
complete -o default -F _kura_complete kura
`

/** Script that zsh sources. */
export const zshScript = (): string => `#compdef kura
autoload -U compinit && compinit
_kura() {
  local -a candidates
  candidates=("\${(@f)$(\${words[1]} --completion-bash "\${(@)words[2,$CURRENT]}")}")
  compadd -- \${candidates}
  [[ -z "\${candidates}" ]] && _files
}
compdef _kura kura
`
