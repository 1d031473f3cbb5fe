/* Descriptors, mount(2) and the requests of the FUSE driver. */
#ifndef KURA_FUSE_DEVICE_H
#define KURA_FUSE_DEVICE_H

#include <node_api.h>
#include <stdbool.h>

bool register_fuse_device(napi_env env, napi_value exports);

#endif
