import { TemplateError } from './template/errors.ts'

export const formats = ['html', 'txt'] as const
/** Which of the two templates of an event a profile gets. */
export type MessageFormat = (typeof formats)[number]

export interface Message {
  readonly subject: string
  readonly headers: Readonly<Record<string, string>>
  readonly severity: number
  readonly body: string
}

/** Rendered text as a message: header lines, an empty line, the body. Throws TemplateError when there is no body. `warn` hears of lines
 *  that are no headers. Source: spec 05, 5.7.3. */
export function parseMessage(text: string, severity: number, warn: (message: string) => void): Message {
  const lines = text.split(/\r?\n/)
  const gap = lines.findIndex((line) => line.trim() === '')
  const body = gap < 0 ? '' : lines.slice(gap + 1).join('\n')
  if (body === '') throw new TemplateError('the message has no text: after its headers a template needs an empty line and the body')
  let subject = ''
  const headers: Record<string, string> = {}
  for (const line of lines.slice(0, gap)) {
    const colon = line.indexOf(':')
    const value = line.slice(colon + 1).trim()
    if (colon < 0) warn(`a header of the notification has no colon and is left out: ${line}`)
    else if (line.slice(0, colon).trim().toLowerCase() === 'subject') subject = value
    else headers[line.slice(0, colon).trim()] = value
  }
  return { subject, headers, severity, body }
}
