import { TemplateError } from './errors.ts'
import { builtinFunctions, type TemplateFunction } from './functions.ts'
import { type Node, type Operand, type Pipeline, parseTemplate } from './parse.ts'
import { fieldOf, isTrue, pairsOf, type TemplateValue, textOf } from './values.ts'

const maxOutputLength = 16 << 20

/** Renders a template in the language of Go's text templates, as far as spec 05, 5.7.3 asks. `functions` are known beside the built-in
 *  ones. Nothing that a template says can reach beyond `root` and the functions. Throws TemplateError. */
export function renderTemplate(source: string, root: TemplateValue, functions: Readonly<Record<string, TemplateFunction>> = {}): string {
  const renderer = new Renderer(new Map(Object.entries({ ...builtinFunctions, ...functions })))
  renderer.nodes(parseTemplate(source), root, new Scope(undefined, new Map([['$', root]])))
  return renderer.output
}

class Scope {
  constructor(
    readonly outer: Scope | undefined,
    readonly variables: Map<string, TemplateValue> = new Map(),
  ) {}

  find(name: string): Map<string, TemplateValue> | undefined {
    return this.variables.has(name) ? this.variables : this.outer?.find(name)
  }
}

class Renderer {
  output = ''

  constructor(readonly functions: ReadonlyMap<string, TemplateFunction>) {}

  nodes(nodes: readonly Node[], dot: TemplateValue, scope: Scope): void {
    for (const node of nodes) {
      if (node.kind === 'text') this.#write(node.text)
      else if (node.kind === 'print') {
        const value = this.#evaluate(node.pipeline, dot, scope)
        if (node.pipeline.variables.length === 0) this.#write(value === null ? '<no value>' : textOf(value))
        else this.#assign(node.pipeline, value, scope)
      } else this.#control(node, dot, scope)
    }
  }

  #write(text: string): void {
    this.output += text
    if (this.output.length > maxOutputLength) throw new TemplateError('the template renders to more than 16 MiB')
  }

  #control(node: Exclude<Node, { kind: 'text' | 'print' }>, dot: TemplateValue, scope: Scope): void {
    const value = this.#evaluate(node.pipeline, dot, scope)
    const inner = new Scope(scope)
    if (node.kind === 'range') {
      const pairs = pairsOf(value)
      for (const [key, item] of pairs) {
        const turn = new Scope(inner)
        const [first, second] = node.pipeline.variables
        if (second !== undefined) this.#assign({ ...node.pipeline, variables: [first as string] }, key, turn)
        const last = second ?? first
        if (last !== undefined) this.#assign({ ...node.pipeline, variables: [last] }, item, turn)
        this.nodes(node.body, item, turn)
      }
      if (pairs.length === 0) this.nodes(node.otherwise, dot, inner)
      return
    }
    this.#assign(node.pipeline, value, inner)
    if (isTrue(value)) this.nodes(node.body, node.kind === 'with' ? value : dot, inner)
    else this.nodes(node.otherwise, dot, inner)
  }

  #assign({ variables, declares, line }: Pipeline, value: TemplateValue, scope: Scope): void {
    const [name] = variables
    if (name === undefined) return
    const place = declares ? scope.variables : scope.find(name)
    if (!place) throw new TemplateError(`line ${line}: the variable ${name} of the template is not declared`)
    place.set(name, value)
  }

  #evaluate(pipeline: Pipeline, dot: TemplateValue, scope: Scope): TemplateValue {
    let result: TemplateValue | undefined
    try {
      for (const command of pipeline.commands) result = this.#command(command, dot, scope, result)
    } catch (error) {
      if (error instanceof TemplateError && !error.message.startsWith('line '))
        throw new TemplateError(`line ${pipeline.line}: ${error.message}`, { cause: error })
      throw error
    }
    return result ?? null
  }

  #command(operands: readonly Operand[], dot: TemplateValue, scope: Scope, piped: TemplateValue | undefined): TemplateValue {
    const [head, ...rest] = operands as [Operand, ...Operand[]]
    const args = rest.map((operand) => this.#operand(operand, dot, scope))
    if (piped !== undefined) args.push(piped)
    if (head.kind === 'function') return this.#call(head.name, args)
    const value = this.#operand(head, dot, scope)
    if (args.length > 0) throw new TemplateError('arguments were given to something that is no function')
    return value
  }

  #call(name: string, args: readonly TemplateValue[]): TemplateValue {
    const call = this.functions.get(name)
    if (!call) throw new TemplateError(`there is no function ${name}`)
    return call(...args)
  }

  #operand(operand: Operand, dot: TemplateValue, scope: Scope): TemplateValue {
    if (operand.kind === 'constant') return operand.value
    if (operand.kind === 'function') return this.#call(operand.name, [])
    let value: TemplateValue
    if (operand.kind === 'dot') value = dot
    else if (operand.kind === 'pipeline') value = this.#evaluate(operand.pipeline, dot, scope)
    else {
      const place = scope.find(operand.name)
      if (!place) throw new TemplateError(`the variable ${operand.name} of the template is not declared`)
      value = place.get(operand.name) ?? null
    }
    for (const field of operand.fields) value = fieldOf(value, field)
    return value
  }
}
