import type { ByteRange } from './storage.ts'

export interface TreeEntry {
  readonly name: string
  readonly isFolder: boolean
  readonly sizeBytes: number
  readonly modifiedMs: number
}

export interface TreeWriteOptions {
  readonly modifiedMs?: number
  /** Fail with TreeFileExistsError when the file exists. */
  readonly exclusive?: boolean
}

/** Files on a server, as storages with folders need them. Paths are relative to the storage's root, joined by `/`; '' is the root.
 *  Everything throws StorageError (TransientStorageError when trying again can help). */
export interface FileTree {
  /** All bytes or those of the range, fewer where the file ends; undefined when there is no such file. */
  read(path: string, range?: ByteRange): Promise<Buffer | undefined>
  /** Undefined when there is no such file. */
  stat(path: string): Promise<TreeEntry | undefined>
  /** Undefined when there is no such folder. */
  list(folder: string): Promise<readonly TreeEntry[] | undefined>
  /** Atomic; makes missing folders below the root. */
  write(path: string, parts: readonly Uint8Array[], options: TreeWriteOptions): Promise<{ sizeBytes: number; modifiedMs: number }>
  /** An absent file is fine. */
  remove(path: string): Promise<void>
  close(): Promise<void>
}

/** A write that must not replace found the file there. */
export class TreeFileExistsError extends Error {}
