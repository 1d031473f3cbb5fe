import { TemplateError } from './errors.ts'

export interface TextPiece {
  readonly kind: 'text'
  readonly text: string
}

export interface Token {
  readonly kind: 'word' | 'field' | 'variable' | 'string' | 'number' | 'sign'
  readonly text: string
  /** Stands directly behind the token before it, which is what makes `(x).Y` and `$x.Y` chains. */
  readonly isGlued: boolean
}

export interface ActionPiece {
  readonly kind: 'action'
  readonly tokens: readonly Token[]
  /** Of its first character, counted from 1. */
  readonly line: number
}

/** Cuts a template into text and actions; comments are gone, and blanks that `{{-` and `-}}` ask to remove. Throws TemplateError.
 *  Source: spec 05, 5.7.3. */
export function scanTemplate(source: string): (TextPiece | ActionPiece)[] {
  const pieces: (TextPiece | ActionPiece)[] = []
  let trimsNext = false
  const addText = (text: string, trimsEnd: boolean): void => {
    let kept = trimsNext ? text.replace(/^[ \t\r\n]+/, '') : text
    if (trimsEnd) kept = kept.replace(/[ \t\r\n]+$/, '')
    if (kept !== '') pieces.push({ kind: 'text', text: kept })
  }
  for (let at = 0; ; ) {
    const open = source.indexOf('{{', at)
    if (open < 0) {
      addText(source.slice(at), false)
      return pieces
    }
    const trimsBefore = /^-[ \t\r\n]/.test(source.slice(open + 2, open + 4))
    addText(source.slice(at, open), trimsBefore)
    const line = source.slice(0, open).split('\n').length
    const start = open + (trimsBefore ? 3 : 2)
    const comment = /^[ \t\r\n]*\/\*/.test(source.slice(start, start + 64)) ? source.indexOf('*/', start) + 2 : undefined
    if (comment === 1) throw new TemplateError(`line ${line}: a comment of the template does not end with */}}`)
    const { tokens, end, trimsAfter } = scanAction(source, comment ?? start, line)
    if (comment === undefined) pieces.push({ kind: 'action', tokens, line })
    else if (tokens.length > 0) throw new TemplateError(`line ${line}: a comment of the template does not end with */}}`)
    trimsNext = trimsAfter
    at = end
  }
}

const signs = /^(:=|[=|(),])/
const number = /^[+-]?(?:0[xX][0-9a-fA-F_]+|\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?)/
const quoted = /^"(?:[^"\\\n]|\\.)*"|^`[^`]*`|^'(?:[^'\\\n]|\\.)+'/

function scanAction(source: string, start: number, line: number): { tokens: Token[]; end: number; trimsAfter: boolean } {
  const tokens: Token[] = []
  let isGlued = false
  for (let at = start; at < source.length; ) {
    const rest = source.slice(at, at + 4096)
    const blank = /^[ \t\r\n]+/.exec(rest)?.[0] ?? ''
    if (blank !== '' && rest.startsWith('-}}', blank.length)) return { tokens, end: at + blank.length + 3, trimsAfter: true }
    if (blank !== '') {
      at += blank.length
      isGlued = false
      continue
    }
    if (rest.startsWith('}}')) return { tokens, end: at + 2, trimsAfter: false }
    const [kind, text] = readToken(rest, line)
    tokens.push({ kind, text, isGlued })
    isGlued = true
    at += text.length
  }
  throw new TemplateError(`line ${line}: an action of the template does not end with }}`)
}

function readToken(rest: string, line: number): [Token['kind'], string] {
  const rules: [Token['kind'], RegExp][] = [
    ['string', quoted],
    ['field', /^\.[\p{L}_][\p{L}\p{N}_]*/u],
    ['number', number],
    ['variable', /^\$[\p{L}\p{N}_]*/u],
    ['word', /^[\p{L}_][\p{L}\p{N}_]*/u],
    ['word', /^\./],
    ['sign', signs],
  ]
  for (const [kind, rule] of rules) {
    const text = rule.exec(rest)?.[0]
    if (text !== undefined && text !== '') return [kind, text]
  }
  throw new TemplateError(`line ${line}: unexpected ${JSON.stringify(rest.slice(0, 1))} in an action of the template`)
}
