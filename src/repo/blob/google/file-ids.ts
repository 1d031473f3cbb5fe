import type { BlobId } from '../storage.ts'

const maxRecent = 256

interface Change {
  readonly fileId: string
  readonly made: boolean
}

/** Which file of Drive holds a blob, and what was changed here lately, which the service's listings do not show at once. */
export class FileIds {
  private readonly files = new Map<BlobId, string>()
  /** The last changes, the oldest first. */
  private readonly recent = new Map<BlobId, Change>()

  get(id: BlobId): string | undefined {
    return this.files.get(id)
  }

  set(id: BlobId, fileId: string): void {
    this.files.set(id, fileId)
  }

  forget(id: BlobId): void {
    this.files.delete(id)
  }

  made(id: BlobId, fileId: string): void {
    this.files.set(id, fileId)
    this.note(id, { fileId, made: true })
  }

  removed(id: BlobId, fileId: string): void {
    this.files.delete(id)
    this.note(id, { fileId, made: false })
  }

  /** Whether this very file was deleted here. */
  wasRemoved(id: BlobId, fileId: string): boolean {
    const change = this.recent.get(id)
    return change !== undefined && !change.made && change.fileId === fileId
  }

  /** Blobs with the prefix that were written here lately. */
  recentlyMade(prefix: BlobId): BlobId[] {
    return [...this.recent].filter(([id, { made }]) => made && id.startsWith(prefix)).map(([id]) => id)
  }

  private note(id: BlobId, change: Change): void {
    this.recent.delete(id)
    this.recent.set(id, change)
    if (this.recent.size > maxRecent) for (const oldest of this.recent.keys()) return void this.recent.delete(oldest)
  }
}
