import type { Message, MessageFormat } from '../message.ts'

/** Settings of a delivery method, as its manifest holds them (spec 05, 5.7.2). */
export type MethodConfig = Readonly<Record<string, string | number | boolean>>

export interface SendOptions {
  /** After this long the receiver counts as unreachable. */
  readonly timeoutMs: number
}

/** One way to deliver messages. */
export interface Sender {
  readonly format: MessageFormat
  /** What a list shows of it: nothing that lets others in. */
  readonly summary: string
  /** Throws DeliveryError. */
  send(message: Message, options: SendOptions): Promise<void>
}

export interface SenderType {
  readonly type: string
  /** Settings with defaults filled in; throws ProfileError for those that cannot work. */
  complete(config: MethodConfig): MethodConfig
  /** Of settings that `complete` has passed. */
  sender(config: MethodConfig): Sender
}

/** A setting as text, '' when it is not there. */
export const text = (config: MethodConfig, key: string): string => {
  const value = config[key]
  return value === undefined ? '' : String(value)
}

export const formatOf = (config: MethodConfig): MessageFormat => (text(config, 'format') === 'html' ? 'html' : 'txt')
