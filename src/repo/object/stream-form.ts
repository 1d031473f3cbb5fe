import { parseLosslessJson } from '#base/go-json.ts'

/** Parses a stream-form record: the first JSON value counts, what follows it is ignored (spec 03, section 0). Integers beyond 2^53
 *  become bigint. Throws SyntaxError. */
export function parseStreamForm(text: string): unknown {
  try {
    return parseLosslessJson(text)
  } catch (error) {
    const end = endOfFirstValue(text)
    if (end === undefined || text.slice(end).trim() === '') throw error
    return parseLosslessJson(text.slice(0, end))
  }
}

/** Where the object or list that `text` starts with ends; undefined when it does not end or is none. */
function endOfFirstValue(text: string): number | undefined {
  const token = /"(?:[^"\\]|\\.)*"|[[\]{}]/g
  let depth = 0
  for (let m = token.exec(text); m; m = token.exec(text)) {
    if (m[0] === '{' || m[0] === '[') depth++
    else if (m[0] === '}' || m[0] === ']') {
      depth--
      if (depth <= 0) return token.lastIndex
    } else if (depth === 0) return undefined
  }
  return undefined
}
