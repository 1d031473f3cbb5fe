declare module 'ssh2/lib/protocol/SFTP.js' {
  interface End {
    readonly id: number
    window: number
    readonly packetSize: number
    state: string
  }

  interface Transport {
    readonly _protocol: {
      readonly _remoteIdentRaw: Buffer
      channelData(id: number, data: Buffer): void
      channelClose(id: number): void
    }
  }

  /** The client half of the SFTP protocol over any transport; `push(null)` = the other side has ended. */
  export const SFTP: new (
    transport: Transport,
    channel: { readonly type: string; readonly incoming: End; readonly outgoing: End },
  ) => import('ssh2').SFTPWrapper & { push(data: Buffer | null): void; _init(): void }
}

declare module 'ssh2/lib/protocol/crypto.js' {
  const crypto: {
    /** Whether ssh2's own addon is there; it need not be. */
    readonly bindingAvailable: boolean
  }
  export default crypto
}

declare module 'ssh2-sftp-client' {
  /** What we use of it; its published types know neither the listeners nor the client inside. */
  export default class SftpClient {
    constructor(name: string, listeners: { readonly error: () => void; readonly end: () => void; readonly close: () => void })
    readonly client: import('ssh2').Client
    connect(config: import('ssh2').ConnectConfig): Promise<import('ssh2').SFTPWrapper>
  }
}
