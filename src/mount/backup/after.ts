import type { Reply } from '#fuse/operations.ts'

/** Goes on with a reply: at once when it is there, so that what needs no waiting costs no turn of the event loop. */
export function after<T, U>(reply: Reply<T>, next: (value: T) => Reply<U>): Reply<U> {
  return reply instanceof Promise ? reply.then(next) : next(reply)
}
