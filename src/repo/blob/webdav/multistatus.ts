import { StorageError, TransientStorageError } from '../errors.ts'
import type { TreeEntry } from '../file-tree.ts'

/** What PROPFIND asks for. */
export const propfindBody = Buffer.from(
  '<?xml version="1.0" encoding="utf-8"?><D:propfind xmlns:D="DAV:"><D:prop><D:resourcetype/><D:getcontentlength/><D:getlastmodified/></D:prop></D:propfind>',
)

export interface DavEntry extends TreeEntry {
  /** Decoded path of the URL, without a slash at its end. */
  readonly path: string
}

/** Its end; the parser would take half a document for a whole one, and files would be missing. */
const documentEnd = /(?:<\/(?:[\w.-]+:)?multistatus\s*>|<(?:[\w.-]+:)?multistatus[^<>]*\/>)\s*(?:<!--[^>]*-->\s*)?$/i

/** Entries of a 207 answer to PROPFIND, the asked-for folder itself included. Throws StorageError when it is none, TransientStorageError when
 *  its end is missing. Source: RFC 4918, 13. */
export async function parseMultistatus(xml: Buffer, what: string): Promise<DavEntry[]> {
  const { parseXML } = await import('webdav')
  const text = xml.toString('utf8')
  if (!documentEnd.test(text)) throw new TransientStorageError(`${what}: the answer is not whole`)
  try {
    const { multistatus } = await parseXML(text)
    return multistatus.response.flatMap((response) => {
      const { propstat } = response
      const path = pathOf(String(response.href))
      // Without properties of its own only the form of its address tells what it is.
      const props = propstat && / 200\b/.test(propstat.status) ? propstat.prop : undefined
      if (!props && propstat === undefined) return []
      return [
        {
          path,
          name: path.slice(path.lastIndexOf('/') + 1),
          isFolder: props ? isCollection(props.resourcetype) : String(response.href).endsWith('/'),
          sizeBytes: Number(textOf(props?.getcontentlength)) || 0,
          modifiedMs: Date.parse(textOf(props?.getlastmodified)) || 0,
        },
      ]
    })
  } catch (error) {
    throw new StorageError(`${what}: the server does not answer as a WebDAV server does. Check the URL.`, { cause: error })
  }
}

const isCollection = (type: unknown): boolean => typeof type === 'object' && type !== null && 'collection' in type

/** Text of an element; one with attributes is an object. */
function textOf(element: unknown): string {
  const inner = typeof element === 'object' && element !== null && 'text' in element ? element.text : element
  return String(inner ?? '')
}

function pathOf(href: string): string {
  const path = /^[a-z][a-z0-9+.-]*:\/\//i.test(href) ? new URL(href).pathname : href.replace(/[?#].*$/, '')
  return decodeURIComponent(path).replace(/\/+$/, '')
}
