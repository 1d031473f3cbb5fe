import { KuraError } from '#base/errors.ts'

/** A notification profile that does not exist, or whose settings are not usable. */
export class ProfileError extends KuraError {
  readonly code = 'NOTIFICATION_PROFILE'
}

/** A message could not be delivered. Its text names the receiver without what is secret about it. */
export class DeliveryError extends KuraError {
  readonly code = 'NOTIFICATION_DELIVERY'
}
