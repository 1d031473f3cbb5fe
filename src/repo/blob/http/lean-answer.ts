const headEnd = Buffer.from('\r\n\r\n')
const maxHeadBytes = 64 * 1024
/** Longest answer that is taken: packs and lists are far below. */
const maxBodyBytes = 1 << 30

/** An answer with all its bytes; names of headers in lower case. */
export interface WholeAnswer {
  readonly status: number
  readonly reason: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** One answer to a GET as it arrives, its body straight into memory of the right size. It knows answers with a Content-Length and no others:
 *  `push` says 'odd' to all else, which is left to a client that knows more. Source: RFC 9112. */
export class LeanAnswer {
  #head = Buffer.alloc(0)
  #answer: WholeAnswer | undefined
  #filled = 0
  #isSuccess = false

  /** Whether its status is 2xx, as far as that is known. */
  get isSuccess(): boolean {
    return this.#isSuccess
  }

  /** Whether anything has come yet. */
  get hasBegun(): boolean {
    return this.#answer !== undefined || this.#head.length > 0
  }

  /** What has come and what is to come, for messages. */
  get progress(): string {
    return this.#answer ? `after ${this.#filled} of ${this.#answer.body.length} bytes` : 'before the answer'
  }

  /** Takes bytes, which are copied. The whole answer once it is there; undefined while there is more to come. */
  push(bytes: Uint8Array): WholeAnswer | 'odd' | undefined {
    if (this.#answer) return this.#fill(this.#answer, bytes)
    this.#head = Buffer.concat([this.#head, bytes])
    const end = this.#head.indexOf(headEnd)
    if (end < 0) return this.#head.length > maxHeadBytes ? 'odd' : undefined
    const head = this.#head.toString('latin1', 0, end)
    this.#isSuccess = /^HTTP\/\d\.\d 2/.test(head)
    this.#answer = answerOf(head)
    return this.#answer ? this.#fill(this.#answer, this.#head.subarray(end + headEnd.length)) : 'odd'
  }

  #fill(answer: WholeAnswer, bytes: Uint8Array): WholeAnswer | 'odd' | undefined {
    if (this.#filled + bytes.length > answer.body.length) return 'odd'
    answer.body.set(bytes, this.#filled)
    this.#filled += bytes.length
    return this.#filled === answer.body.length ? answer : undefined
  }
}

/** Status line and headers, with a body that is not filled yet. */
function answerOf(head: string): WholeAnswer | undefined {
  const [first = '', ...lines] = head.split('\r\n')
  const [, status = '', reason = ''] = /^HTTP\/1\.1 ([2-5]\d\d)(?: (.*))?$/.exec(first) ?? []
  if (status === '' || status === '204' || status === '304') return undefined
  const headers: Record<string, string> = Object.create(null)
  for (const line of lines) {
    const [, name = '', value = ''] = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? []
    if (name === '') return undefined
    const key = name.toLowerCase()
    // Twice the same length is what smuggling looks like.
    if (key === 'content-length' && key in headers) return undefined
    headers[key] = headers[key] === undefined ? value : `${headers[key]}, ${value}`
  }
  const length = headers['content-length'] ?? ''
  if (headers['transfer-encoding'] !== undefined || !/^\d{1,10}$/.test(length) || Number(length) > maxBodyBytes) return undefined
  return { status: Number(status), reason, headers, body: Buffer.allocUnsafe(Number(length)) }
}
