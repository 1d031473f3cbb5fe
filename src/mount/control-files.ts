import { fileKind } from '#fuse/abi.ts'
import { errno, FuseError } from '#fuse/errno.ts'
import type { AttributesReply, ByteName, Entry, Opened, Reply } from '#fuse/operations.ts'
import { after } from './backup/after.ts'
import type { Control } from './control.ts'
import { firstControlNode } from './node-ranges.ts'
import { emptyAttributes, setTimes } from './table.ts'

interface Owner {
  readonly uid: number
  readonly gid: number
}

/** Files of `.kura/` as FUSE has them: never cached, their length not known before they are read (spec 08, 3.8). Each handle keeps the
 *  text that it was opened with. Nodes: the first number is left for the folder `backup/`. */
export class ControlFiles {
  private readonly texts = new Map<number, Reply<Uint8Array>>()
  private nextHandle = 1

  constructor(
    private readonly control: Control,
    private readonly owner: Owner,
    private readonly nowSeconds: () => number,
  ) {}

  get names(): readonly ByteName[] {
    return this.control.names
  }

  nodeOf(name: ByteName): number | undefined {
    const index = this.control.names.indexOf(name)
    return index < 0 ? undefined : firstControlNode + 1 + index
  }

  private nameOf(node: number): ByteName {
    const name = this.control.names[node - firstControlNode - 1]
    if (name === undefined) throw new FuseError(errno.ESTALE)
    return name
  }

  attributes(node: number): AttributesReply {
    const attributes = emptyAttributes()
    attributes.inode = node
    attributes.mode = fileKind.regular | (this.control.writableNames.includes(this.nameOf(node)) ? 0o644 : 0o444)
    attributes.uid = this.owner.uid
    attributes.gid = this.owner.gid
    setTimes(attributes, this.nowSeconds(), 0)
    return { attributesSeconds: 0, attributes }
  }

  entry(node: number): Entry {
    return { node, generation: 0, entrySeconds: 0, attributesSeconds: 0, attributes: this.attributes(node).attributes }
  }

  open(node: number, writing: boolean): Opened {
    if (writing && !this.control.writableNames.includes(this.nameOf(node))) throw new FuseError(errno.EACCES)
    return { handle: this.nextHandle++, direct: true, noFlush: true }
  }

  read(node: number, handle: number, offset: number, size: number): Reply<Uint8Array> {
    let text = this.texts.get(handle)
    if (text === undefined || offset === 0) {
      text = this.control.read(this.nameOf(node))
      this.texts.set(handle, text)
    }
    return after(text, (bytes) => bytes.subarray(offset, offset + size))
  }

  write(node: number, data: Uint8Array): Reply<number> {
    return after(this.control.write(this.nameOf(node), data), () => data.length)
  }

  sync(node: number): Promise<void> {
    return this.control.sync(this.nameOf(node))
  }

  release(handle: number): void {
    this.texts.delete(handle)
  }
}
