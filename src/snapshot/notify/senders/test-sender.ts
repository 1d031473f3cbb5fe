import { ProfileError } from '../errors.ts'
import type { Message } from '../message.ts'
import { formatOf, type SenderType, text } from './sender.ts'

/** What the test sender was given in this process. */
export const caughtMessages: Message[] = []

/** Keeps messages in memory, for tests (spec 05, 5.7.2). */
export const testSender: SenderType = {
  type: 'testsender',

  complete(config) {
    if (config['invalid'] === true) throw new ProfileError('invalid options')
    return { format: text(config, 'format') || 'html', invalid: false }
  },

  sender: (config) => ({
    format: formatOf(config),
    summary: 'Test sender',
    async send(message) {
      caughtMessages.push(message)
    },
  }),
}
