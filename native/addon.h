// What the parts of the addon share: registration and the few Node-API calls that every part repeats.
#ifndef KURA_ADDON_H
#define KURA_ADDON_H

#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// One line per part; each adds its functions to `exports`.
void register_fuse_device(napi_env env, napi_value exports);

// Adds `function` to `exports` under `name`.
void add_function(napi_env env, napi_value exports, const char *name, napi_callback function);

// Throws an Error whose `code` is the name of the errno (`ENOENT`) and whose message is "`what`: text of the errno".
napi_value throw_errno(napi_env env, const char *what, int error);

// Throws a TypeError.
napi_value throw_type(napi_env env, const char *message);

// Name of an errno (`ENODEV`), or "EIO" for one that is not in the table.
const char *errno_name(int error);

#endif
