import { storageLeaves, storageOrConfigLeaves } from './commands/repository/storages/table.ts'
import type { Branch } from './node.ts'

/** Every command: its words, what it does in one line, and where its module is. Loading one loads no other. @table */
export const root: Branch = {
  describe: 'Kopia-compatible backups that are simply there, as a folder',
  children: {
    flush: {
      describe: 'Make snapshots of what was written into writable mounts',
      standsAlone: true,
      load: async () => (await import('./commands/flush.ts')).flush,
    },
    help: { describe: 'Show help', standsAlone: true, load: async () => (await import('./commands/help.ts')).help },
    benchmark: {
      describe: 'Measure the speed of hashes, ciphers, splitters and compressors here',
      hidden: true,
      children: {
        compression: {
          describe: 'Measure the compressors on a file',
          standsAlone: true,
          load: async () => (await import('./commands/benchmark/compression.ts')).compression,
        },
        crypto: {
          describe: 'Measure every hash with every cipher',
          standsAlone: true,
          load: async () => (await import('./commands/benchmark/crypto.ts')).crypto,
        },
        ecc: {
          describe: 'Measure error correction',
          standsAlone: true,
          load: async () => (await import('./commands/benchmark/ecc.ts')).ecc,
        },
        encryption: {
          describe: 'Measure the ciphers',
          standsAlone: true,
          load: async () => (await import('./commands/benchmark/encryption.ts')).encryption,
        },
        hashing: {
          describe: 'Measure the hashes',
          aliases: ['hash'],
          standsAlone: true,
          load: async () => (await import('./commands/benchmark/hashing.ts')).hashing,
        },
        splitter: {
          describe: 'Measure the splitters',
          standsAlone: true,
          load: async () => (await import('./commands/benchmark/splitter.ts')).splitter,
        },
      },
    },
    blob: {
      describe: 'Commands to manipulate raw storage objects (blobs)',
      hidden: true,
      children: {
        delete: {
          describe: 'Delete blobs',
          aliases: ['remove', 'rm'],
          load: async () => (await import('./commands/blob/delete.ts')).remove,
        },
        gc: { describe: 'Find and delete packs that no index names', load: async () => (await import('./commands/blob/gc.ts')).gc },
        shards: {
          describe: 'Folders of storages that are like a file system',
          hidden: true,
          children: {
            modify: {
              describe: 'Spread blobs over folders in another way',
              aliases: ['reshard'],
              standsAlone: true,
              load: async () => (await import('./commands/blob/shards-modify.ts')).shardsModify,
            },
          },
        },
        list: { describe: 'List blobs', aliases: ['ls'], load: async () => (await import('./commands/blob/list.ts')).list },
        show: { describe: 'Show the bytes of blobs', aliases: ['cat'], load: async () => (await import('./commands/blob/show.ts')).show },
        stats: { describe: 'Count blobs by size', load: async () => (await import('./commands/blob/stats.ts')).stats },
      },
    },
    cache: {
      describe: 'Commands to manage the local cache',
      hidden: true,
      children: {
        clear: { describe: 'Empty the cache', standsAlone: true, load: async () => (await import('./commands/cache/clear.ts')).clear },
        info: {
          describe: 'Show what the cache holds',
          standsAlone: true,
          load: async () => (await import('./commands/cache/info.ts')).info,
        },
        prefetch: {
          describe: 'Load the contents of objects into the cache',
          load: async () => (await import('./commands/cache/prefetch.ts')).prefetch,
        },
        sync: { describe: 'Load all metadata into the cache', load: async () => (await import('./commands/cache/sync.ts')).sync },
        set: { describe: 'Set limits of the cache', standsAlone: true, load: async () => (await import('./commands/cache/set.ts')).set },
      },
    },
    content: {
      describe: 'Commands to look at contents',
      aliases: ['contents'],
      hidden: true,
      children: {
        delete: {
          describe: 'Delete contents',
          aliases: ['remove', 'rm'],
          load: async () => (await import('./commands/content/delete.ts')).remove,
        },
        list: { describe: 'List contents', aliases: ['ls'], load: async () => (await import('./commands/content/list.ts')).list },
        rewrite: {
          describe: 'Write contents again into new packs',
          load: async () => (await import('./commands/content/rewrite.ts')).rewrite,
        },
        show: {
          describe: 'Show the bytes of contents',
          aliases: ['cat'],
          load: async () => (await import('./commands/content/show.ts')).show,
        },
        stats: { describe: 'Count contents by size', load: async () => (await import('./commands/content/stats.ts')).stats },
        verify: { describe: 'Check that contents can be read', load: async () => (await import('./commands/content/verify.ts')).verify },
      },
    },
    diff: {
      describe: 'Show the differences between two directories in the repository',
      aliases: ['compare'],
      load: async () => (await import('./commands/diff.ts')).diff,
    },
    doctor: {
      describe: 'Show which native code is in use, and why',
      standsAlone: true,
      load: async () => (await import('./commands/doctor.ts')).doctor,
    },
    find: { describe: 'Find files by name in all snapshots', load: async () => (await import('./commands/find.ts')).find },
    history: { describe: 'Show all versions of one file or folder', load: async () => (await import('./commands/history.ts')).history },
    index: {
      describe: 'Commands to look at index blobs',
      hidden: true,
      children: {
        epoch: {
          describe: 'Commands to look at epochs',
          hidden: true,
          children: {
            list: { describe: 'List the status of epochs', load: async () => (await import('./commands/index/epoch-list.ts')).epochList },
          },
        },
        inspect: { describe: 'List the entries of index blobs', load: async () => (await import('./commands/index/inspect.ts')).inspect },
        list: { describe: 'List index blobs', aliases: ['ls'], load: async () => (await import('./commands/index/list.ts')).list },
        optimize: { describe: 'Merge index blobs', load: async () => (await import('./commands/index/optimize.ts')).optimize },
        recover: {
          describe: 'Rebuild indexes from the copy that each pack carries',
          load: async () => (await import('./commands/index/recover.ts')).recover,
        },
      },
    },
    list: {
      describe: 'List a directory in the repository',
      aliases: ['ls'],
      load: async () => (await import('./commands/list.ts')).list,
    },
    logs: {
      describe: 'Commands for logs stored in the repository',
      aliases: ['log'],
      hidden: true,
      children: {
        list: { describe: 'List stored logs', aliases: ['ls'], load: async () => (await import('./commands/logs/list.ts')).list },
        show: { describe: 'Show stored logs', aliases: ['cat'], load: async () => (await import('./commands/logs/show.ts')).show },
        cleanup: { describe: 'Delete old stored logs', load: async () => (await import('./commands/logs/cleanup.ts')).cleanup },
      },
    },
    maintenance: {
      describe: 'Commands to look after the repository',
      aliases: ['gc'],
      children: {
        info: {
          describe: 'Show parameters, schedule and recent runs of maintenance',
          aliases: ['status'],
          load: async () => (await import('./commands/maintenance/info.ts')).info,
        },
        run: { describe: 'Run maintenance now', load: async () => (await import('./commands/maintenance/run.ts')).run },
        set: {
          describe: 'Change owner, schedule and limits of maintenance',
          load: async () => (await import('./commands/maintenance/set.ts')).set,
        },
      },
    },
    manifest: {
      describe: 'Low-level commands to look at manifests',
      hidden: true,
      children: {
        delete: {
          describe: 'Delete manifests',
          aliases: ['remove', 'rm'],
          load: async () => (await import('./commands/manifest/delete.ts')).remove,
        },
        list: { describe: 'List manifests', aliases: ['ls'], load: async () => (await import('./commands/manifest/list.ts')).list },
        show: { describe: 'Show manifests', aliases: ['cat'], load: async () => (await import('./commands/manifest/show.ts')).show },
      },
    },
    mount: { describe: 'Show snapshots as folders', load: async () => (await import('./commands/mount.ts')).mount },
    notification: {
      describe: 'Commands to be told of snapshots and errors',
      aliases: ['notifications'],
      children: {
        profile: {
          describe: 'Commands to say who is told, and how',
          children: {
            configure: {
              describe: 'Create or change a profile',
              aliases: ['setup'],
              children: {
                email: { describe: 'By mail', load: async () => (await import('./commands/notification/profile/email.ts')).email },
                pushover: {
                  describe: 'By Pushover',
                  load: async () => (await import('./commands/notification/profile/pushover.ts')).pushover,
                },
                webhook: {
                  describe: 'By a request to an HTTP server',
                  load: async () => (await import('./commands/notification/profile/webhook.ts')).webhook,
                },
                testsender: {
                  describe: 'To nobody, for tests',
                  hidden: true,
                  load: async () => (await import('./commands/notification/profile/testsender.ts')).testsender,
                },
              },
            },
            delete: {
              describe: 'Delete a profile',
              aliases: ['rm'],
              load: async () => (await import('./commands/notification/profile/delete.ts')).remove,
            },
            test: {
              describe: 'Send a test message',
              aliases: ['send-test-message'],
              load: async () => (await import('./commands/notification/profile/test.ts')).test,
            },
            list: {
              describe: 'List profiles',
              aliases: ['ls'],
              load: async () => (await import('./commands/notification/profile/list.ts')).list,
            },
            show: { describe: 'Show a profile', load: async () => (await import('./commands/notification/profile/show.ts')).show },
          },
        },
        template: {
          describe: 'Commands to change the text of messages',
          children: {
            list: { describe: 'List templates', load: async () => (await import('./commands/notification/template/list.ts')).list },
            set: {
              describe: 'Put another template in place',
              load: async () => (await import('./commands/notification/template/set.ts')).set,
            },
            show: { describe: 'Show a template', load: async () => (await import('./commands/notification/template/show.ts')).show },
            remove: {
              describe: 'Return to the built-in template',
              aliases: ['rm', 'delete'],
              load: async () => (await import('./commands/notification/template/remove.ts')).remove,
            },
          },
        },
      },
    },
    policy: {
      describe: 'Commands to manage snapshot policies',
      aliases: ['policies'],
      children: {
        list: { describe: 'List policies', aliases: ['ls'], load: async () => (await import('./commands/policy/list.ts')).list },
        delete: {
          describe: 'Remove policies',
          aliases: ['remove', 'rm'],
          load: async () => (await import('./commands/policy/delete.ts')).remove,
        },
        show: { describe: 'Show policies in force', aliases: ['get'], load: async () => (await import('./commands/policy/show.ts')).show },
        set: { describe: 'Change policies', load: async () => (await import('./commands/policy/set.ts')).set },
        edit: { describe: 'Change policies in an editor', load: async () => (await import('./commands/policy/edit.ts')).edit },
        export: { describe: 'Write policies as JSON', load: async () => (await import('./commands/policy/export.ts')).exportPolicies },
        test: {
          describe: 'Show whether a path is kept, by which rule, with which settings',
          load: async () => (await import('./commands/policy/test.ts')).testPath,
        },
        import: { describe: 'Read policies from JSON', load: async () => (await import('./commands/policy/import.ts')).importPolicies },
      },
    },
    repair: {
      describe: 'Look for damage in the repository, and mend what can be mended',
      standsAlone: true,
      load: async () => (await import('./commands/repair.ts')).repair,
    },
    repository: {
      describe: 'Commands to manage the repository',
      aliases: ['repo'],
      children: {
        connect: {
          describe: 'Connect to a repository',
          flags: async () => (await import('./commands/repository/connection-flags.ts')).connectionFlags,
          children: {
            ...storageLeaves(async () => (await import('./commands/repository/connect.ts')).connectCommand),
            'from-config': {
              describe: 'By a token or a configuration file',
              standsAlone: true,
              load: async () => (await import('./commands/repository/from-config.ts')).connectFromConfig,
            },
          },
        },
        create: {
          describe: 'Create a repository and connect to it',
          flags: async () => (await import('./commands/repository/create-flags.ts')).createFlags,
          children: {
            ...storageLeaves(async () => (await import('./commands/repository/create.ts')).createCommand),
            'from-config': {
              describe: 'Where a token says',
              standsAlone: true,
              load: async () => (await import('./commands/repository/create-from-config.ts')).createFromConfig,
            },
          },
        },
        disconnect: {
          describe: 'Forget the connection to the repository',
          standsAlone: true,
          load: async () => (await import('./commands/repository/disconnect.ts')).disconnect,
        },
        'change-password': {
          describe: 'Change the repository password',
          load: async () => (await import('./commands/repository/change-password.ts')).changePasswordCommand,
        },
        repair: {
          describe: 'Put the format blob of an old repository back',
          hidden: true,
          flags: async () => (await import('./commands/repository/repair.ts')).repairFlags,
          children: storageOrConfigLeaves(async () => (await import('./commands/repository/repair.ts')).repairCommand),
        },
        'set-client': {
          describe: 'Set options of this client',
          standsAlone: true,
          load: async () => (await import('./commands/repository/set-client.ts')).setClientOptions,
        },
        'set-parameters': {
          describe: 'Set parameters of the repository',
          aliases: ['set-params'],
          load: async () => (await import('./commands/repository/set-parameters.ts')).setParametersCommand,
        },
        status: {
          describe: 'Show the connection and the repository',
          load: async () => (await import('./commands/repository/status.ts')).status,
        },
        'sync-to': {
          describe: 'Copy the repository to another storage',
          flags: async () => (await import('./commands/repository/sync-to.ts')).syncFlags,
          children: storageOrConfigLeaves(async () => (await import('./commands/repository/sync-to.ts')).syncToCommand, false),
        },
        throttle: {
          describe: 'Commands to limit the use of the storage',
          children: {
            get: {
              describe: 'Show the limits',
              standsAlone: true,
              load: async () => (await import('./commands/repository/throttle.ts')).throttleGet,
            },
            set: {
              describe: 'Change the limits, also of what runs already',
              standsAlone: true,
              load: async () => (await import('./commands/repository/throttle.ts')).throttleSet,
            },
          },
        },
        'validate-provider': {
          describe: 'Test whether the storage does what it must do',
          load: async () => (await import('./commands/repository/validate-provider.ts')).validateProvider,
        },
        upgrade: {
          describe: 'Move the repository to the newest format',
          hidden: true,
          children: {
            begin: {
              describe: 'Keep other clients out, upgrade the repository, and let them in again',
              standsAlone: true,
              load: async () => (await import('./commands/repository/upgrade.ts')).upgradeBegin,
            },
            rollback: {
              describe: 'Undo an upgrade that was not committed',
              standsAlone: true,
              load: async () => (await import('./commands/repository/upgrade.ts')).upgradeRollback,
            },
            validate: {
              describe: 'Compare the indexes of before and after an upgrade',
              standsAlone: true,
              load: async () => (await import('./commands/repository/upgrade.ts')).upgradeValidate,
            },
          },
        },
      },
    },
    restore: { describe: 'Restore a folder or file', load: async () => (await import('./commands/restore.ts')).restore },
    snapshot: {
      describe: 'Commands to manage snapshots',
      aliases: ['snap'],
      children: {
        create: {
          describe: 'Create snapshots of folders or files',
          maintains: true,
          load: async () => (await import('./commands/snapshot/create.ts')).create,
        },
        'copy-history': {
          describe: 'Copy snapshot records to another source',
          maintains: true,
          load: async () => (await import('./commands/snapshot/copy-history.ts')).copyHistoryCommand,
        },
        'move-history': {
          describe: 'Move snapshot records to another source',
          maintains: true,
          load: async () => (await import('./commands/snapshot/copy-history.ts')).moveHistoryCommand,
        },
        delete: { describe: 'Delete snapshots', maintains: true, load: async () => (await import('./commands/snapshot/delete.ts')).remove },
        estimate: {
          describe: 'Estimate the size and time of a snapshot',
          load: async () => (await import('./commands/snapshot/estimate.ts')).estimate,
        },
        expire: {
          describe: 'Remove old snapshots according to the retention policies',
          maintains: true,
          load: async () => (await import('./commands/snapshot/expire.ts')).expire,
        },
        fix: {
          describe: 'Commands to rewrite snapshots',
          children: {
            'invalid-files': {
              describe: 'Put stubs in place of what cannot be read',
              maintains: true,
              load: async () => (await import('./commands/snapshot/fix/invalid-files.ts')).invalidFiles,
            },
            'remove-files': {
              describe: 'Remove files from snapshots',
              maintains: true,
              load: async () => (await import('./commands/snapshot/fix/remove-files.ts')).removeFiles,
            },
          },
        },
        list: { describe: 'List snapshots', aliases: ['ls'], load: async () => (await import('./commands/snapshot/list.ts')).list },
        migrate: {
          describe: 'Copy snapshots from another repository',
          maintains: true,
          load: async () => (await import('./commands/snapshot/migrate.ts')).migrate,
        },
        restore: { describe: 'Restore a folder or file', load: async () => (await import('./commands/restore.ts')).restore },
        pin: { describe: 'Keep snapshots from expiring', load: async () => (await import('./commands/snapshot/pin.ts')).pin },
        verify: {
          describe: 'Check that snapshots can be restored',
          load: async () => (await import('./commands/snapshot/verify.ts')).verify,
        },
      },
    },
    session: {
      describe: 'Commands to look at write sessions',
      hidden: true,
      children: {
        list: {
          describe: 'List open write sessions',
          aliases: ['ls'],
          load: async () => (await import('./commands/session-list.ts')).sessionList,
        },
      },
    },
    show: {
      describe: 'Write the bytes of an object to standard output',
      aliases: ['cat'],
      load: async () => (await import('./commands/show.ts')).show,
    },
    staging: {
      describe: 'Commands to look at what writable mounts have accepted and is not in a snapshot yet',
      children: {
        list: {
          describe: 'List staging areas',
          aliases: ['ls'],
          standsAlone: true,
          load: async () => (await import('./commands/staging/list.ts')).list,
        },
        show: {
          describe: 'Show what is in a staging area',
          standsAlone: true,
          load: async () => (await import('./commands/staging/show.ts')).show,
        },
        flush: {
          describe: 'Turn a staging area into a snapshot without mounting it',
          load: async () => (await import('./commands/staging/flush.ts')).flush,
        },
        export: {
          describe: 'Write the changed files of a staging area to a folder',
          load: async () => (await import('./commands/staging/export.ts')).exportArea,
        },
        discard: {
          describe: 'Throw a staging area away',
          standsAlone: true,
          load: async () => (await import('./commands/staging/discard.ts')).discard,
        },
        drain: {
          describe: 'Flush all staging areas and remove them',
          load: async () => (await import('./commands/staging/flush.ts')).drain,
        },
      },
    },
    unmount: {
      describe: 'Unmount what "mount" has mounted',
      standsAlone: true,
      load: async () => (await import('./commands/unmount.ts')).unmount,
    },
  },
}
