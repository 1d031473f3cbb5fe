import { KuraError } from './errors.ts'

/** Text that is not base64 of the wanted kind. */
export class Base64Error extends KuraError {
  readonly code = 'BASE64'
}

const standard = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const urlSafe = /^(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2,3})?$/

/** Bytes of standard base64 with padding; CR and LF anywhere are skipped, everything else that does not belong is a Base64Error.
 *  Source: RFC 4648 section 4, spec 01 section 1.1. */
export const decodeBase64 = (text: string): Buffer => decode(text, standard, 'base64')

/** Bytes of base64url without padding, as strict as decodeBase64. Source: RFC 4648 section 5. */
export const decodeBase64Url = (text: string): Buffer => decode(text, urlSafe, 'base64url')

function decode(text: string, shape: RegExp, encoding: 'base64' | 'base64url'): Buffer {
  const joined = text.replace(/[\r\n]/g, '')
  if (!shape.test(joined)) throw new Base64Error(`the text is not ${encoding}`)
  return Buffer.from(joined, encoding)
}
