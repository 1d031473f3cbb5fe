import { email } from './email.ts'
import { pushover } from './pushover.ts'
import type { SenderType } from './sender.ts'
import { testSender } from './test-sender.ts'
import { webhook } from './webhook.ts'

const types: readonly SenderType[] = [email, pushover, webhook, testSender]

/** The delivery method of that name, or undefined. */
export const senderType = (type: string): SenderType | undefined => types.find((t) => t.type === type)
