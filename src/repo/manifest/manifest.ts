export type Labels = Readonly<Record<string, string>>

export interface ManifestInfo {
  /** 32 hex digits. */
  readonly id: string
  readonly labels: Labels
  readonly modifiedNs: bigint
  /** Bytes of the stored `data`. */
  readonly sizeBytes: number
}

/** Labelled JSON documents (spec 03, section 4). */
export interface ManifestStore {
  /** `payload` as parsed by parseLosslessJson; `json` its stored text. ManifestNotFoundError, DamagedManifestError. */
  get(id: string): Promise<{ readonly info: ManifestInfo; readonly payload: unknown; readonly json: string }>
  /** Entries having all the given labels, by modification time ascending. */
  find(labels: Labels): Promise<ManifestInfo[]>
  /** `json`: compact Go-form JSON text of the payload. Needs a non-empty `type` label. Returns the new ID; pending until flush. */
  put(labels: Labels, json: string): Promise<string>
  /** Unknown ID: no-op. */
  delete(id: string): Promise<void>
  /** Deletes every match of `labels` and puts the new one (spec 03, 4.2 Replace). */
  replace(labels: Labels, json: string): Promise<string>
  compact(): Promise<void>
  /** Writes pending entries as one content; does not flush the content store. */
  flush(): Promise<void>
}
