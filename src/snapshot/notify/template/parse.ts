import { TemplateError } from './errors.ts'
import { type ActionPiece, scanTemplate, type TextPiece, type Token } from './scan.ts'

/** What stands for a value, with the fields asked of it. */
export type Operand =
  | { readonly kind: 'dot'; readonly fields: readonly string[] }
  | { readonly kind: 'variable'; readonly name: string; readonly fields: readonly string[] }
  | { readonly kind: 'constant'; readonly value: string | number | boolean | null }
  | { readonly kind: 'function'; readonly name: string }
  | { readonly kind: 'pipeline'; readonly pipeline: Pipeline; readonly fields: readonly string[] }

export interface Pipeline {
  /** Variables that are set by it; two only in `range`. */
  readonly variables: readonly string[]
  readonly declares: boolean
  /** Each gets the result of the one before as its last argument. */
  readonly commands: readonly (readonly Operand[])[]
  readonly line: number
}

export type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'print'; readonly pipeline: Pipeline }
  | {
      readonly kind: 'if' | 'range' | 'with'
      readonly pipeline: Pipeline
      readonly body: readonly Node[]
      readonly otherwise: readonly Node[]
    }

const maxDepth = 100

/** Syntax tree of a template. Throws TemplateError, which names the line. Source: spec 05, 5.7.3. */
export function parseTemplate(source: string): readonly Node[] {
  const reader = new TemplateReader(scanTemplate(source))
  const { nodes, end } = reader.block(0)
  if (end) throw new TemplateError(`line ${end.line}: {{${end.tokens[0]?.text}}} of the template has nothing to belong to`)
  return nodes
}

const enders = ['end', 'else']

class TemplateReader {
  #at = 0

  constructor(readonly pieces: readonly (TextPiece | ActionPiece)[]) {}

  /** Nodes up to the `end` or `else` that belongs to them. */
  block(depth: number): { readonly nodes: Node[]; readonly end: ActionPiece | undefined } {
    if (depth > maxDepth) throw new TemplateError(`the template is nested more than ${maxDepth} levels deep`)
    const nodes: Node[] = []
    for (let piece = this.pieces[this.#at++]; piece; piece = this.pieces[this.#at++]) {
      if (piece.kind === 'text') nodes.push(piece)
      else if (enders.includes(piece.tokens[0]?.text ?? '')) return { nodes, end: piece }
      else nodes.push(this.#action(piece, depth))
    }
    return { nodes, end: undefined }
  }

  #action({ tokens, line }: ActionPiece, depth: number): Node {
    const first = tokens[0]
    const word = first?.kind === 'word' ? first.text : ''
    if (word === 'if' || word === 'range' || word === 'with') return this.#control(word, tokens.slice(1), line, depth)
    if (['define', 'template', 'block', 'break', 'continue'].includes(word))
      throw new TemplateError(`line ${line}: {{${word}}} is not known here. Use if, range, with and pipelines.`)
    return { kind: 'print', pipeline: new PipelineReader(tokens, line).whole() }
  }

  #control(kind: 'if' | 'range' | 'with', tokens: readonly Token[], line: number, depth: number): Node {
    const pipeline = new PipelineReader(tokens, line, kind === 'range').whole()
    const { nodes: body, end } = this.block(depth + 1)
    if (!end) throw new TemplateError(`line ${line}: {{${kind}}} of the template has no {{end}}`)
    if (end.tokens[0]?.text === 'end') return { kind, pipeline, body, otherwise: [] }
    const [, second, ...rest] = end.tokens
    if (second?.text === 'if' || second?.text === 'with')
      return { kind, pipeline, body, otherwise: [this.#control(second.text, rest, end.line, depth + 1)] }
    if (second) throw new TemplateError(`line ${end.line}: unexpected ${second.text} behind else`)
    const { nodes: otherwise, end: last } = this.block(depth + 1)
    if (last?.tokens[0]?.text !== 'end') throw new TemplateError(`line ${line}: {{${kind}}} of the template has no {{end}}`)
    return { kind, pipeline, body, otherwise }
  }
}

class PipelineReader {
  #at = 0

  constructor(
    readonly tokens: readonly Token[],
    readonly line: number,
    readonly mayHaveTwo = false,
  ) {}

  whole(): Pipeline {
    const pipeline = this.#pipeline(0)
    const left = this.tokens[this.#at]
    if (left) throw this.#unexpected(left)
    return pipeline
  }

  #pipeline(depth: number): Pipeline {
    if (depth > maxDepth) throw new TemplateError(`line ${this.line}: parentheses are nested more than ${maxDepth} levels deep`)
    const { variables, declares } = depth === 0 ? this.#declaration() : { variables: [], declares: false }
    const commands: Operand[][] = []
    do commands.push(this.#command(depth))
    while (this.#takes('|'))
    return { variables, declares, commands, line: this.line }
  }

  #declaration(): Pick<Pipeline, 'variables' | 'declares'> {
    const [first, second, third, fourth] = this.tokens
    if (first?.kind !== 'variable') return { variables: [], declares: false }
    if (second?.text === ':=' || second?.text === '=') {
      this.#at = 2
      return { variables: [first.text], declares: second.text === ':=' }
    }
    if (this.mayHaveTwo && second?.text === ',' && third?.kind === 'variable' && (fourth?.text === ':=' || fourth?.text === '=')) {
      this.#at = 4
      return { variables: [first.text, third.text], declares: fourth.text === ':=' }
    }
    return { variables: [], declares: false }
  }

  #command(depth: number): Operand[] {
    const operands: Operand[] = []
    for (let token = this.tokens[this.#at]; token && token.text !== '|' && token.text !== ')'; token = this.tokens[this.#at]) {
      this.#at++
      operands.push(this.#operand(token, depth))
    }
    if (operands.length === 0) throw new TemplateError(`line ${this.line}: a value is missing in an action of the template`)
    return operands
  }

  #operand(token: Token, depth: number): Operand {
    if (token.kind === 'field') return { kind: 'dot', fields: [token.text.slice(1), ...this.#fields()] }
    if (token.kind === 'variable') return { kind: 'variable', name: token.text, fields: this.#fields() }
    if (token.kind === 'string') return { kind: 'constant', value: this.#text(token.text) }
    if (token.kind === 'number') return { kind: 'constant', value: Number(token.text.replaceAll('_', '')) }
    if (token.text === '.') return { kind: 'dot', fields: [] }
    if (token.text === '(') {
      const pipeline = this.#pipeline(depth + 1)
      if (!this.#takes(')')) throw new TemplateError(`line ${this.line}: ) is missing in an action of the template`)
      return { kind: 'pipeline', pipeline, fields: this.#fields() }
    }
    if (token.kind !== 'word') throw this.#unexpected(token)
    if (token.text === 'true' || token.text === 'false') return { kind: 'constant', value: token.text === 'true' }
    return token.text === 'nil' ? { kind: 'constant', value: null } : { kind: 'function', name: token.text }
  }

  #fields(): string[] {
    const fields: string[] = []
    for (let token = this.tokens[this.#at]; token?.kind === 'field' && token.isGlued; token = this.tokens[this.#at]) {
      fields.push(token.text.slice(1))
      this.#at++
    }
    return fields
  }

  #takes(sign: string): boolean {
    const found = this.tokens[this.#at]?.text === sign
    if (found) this.#at++
    return found
  }

  /** Value of a string in double quotes, backquotes, or of a character in single quotes, which counts as a number. */
  #text(quoted: string): string | number {
    if (quoted.startsWith('`')) return quoted.slice(1, -1)
    const text = quoted.slice(1, -1).replace(/\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)/g, (_, code: string) => {
      if (/^[xu]./.test(code)) return String.fromCharCode(Number.parseInt(code.slice(1), 16))
      return { n: '\n', t: '\t', r: '\r' }[code] ?? code
    })
    return quoted.startsWith("'") ? (text.codePointAt(0) ?? 0) : text
  }

  #unexpected(token: Token): TemplateError {
    return new TemplateError(`line ${this.line}: unexpected ${token.text} in an action of the template`)
  }
}
