import { KuraError } from '#base/errors.ts'

/** Another client looks after this repository. */
export class NotMaintenanceOwnerError extends KuraError {
  readonly code = 'NOT_MAINTENANCE_OWNER'
}

/** Maintenance would not be safe as things are; nothing was deleted. */
export class MaintenanceRefusedError extends KuraError {
  readonly code = 'MAINTENANCE_REFUSED'
}
