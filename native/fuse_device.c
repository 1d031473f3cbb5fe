// The few system calls around /dev/fuse that Node has not: descriptors over a Unix socket, mount(2), and the device as something that
// the event loop waits for, so that a request wakes the thread that answers it and no other (spec 08, 3.14 and 3.15).
#define _GNU_SOURCE
#include "fuse_device.h"
#include "kura.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

static napi_value fail(napi_env env, const char *what, int error) {
  throw_errno(env, error, what, NULL);
  return NULL;
}

static napi_value throw_type(napi_env env, const char *message) {
  napi_throw_type_error(env, NULL, message);
  return NULL;
}

// Requests of full size that are taken in one turn of the event loop, at most.
#define BLOCK_REQUESTS 4
// Zeros behind the last request of a block: a request of no length ends the reading.
#define BLOCK_TAIL_BYTES 64
// Fewer bytes are handed over as a copy, so that a block is not lost to a small request that waits for long.
#define COPIED_BYTES (64u << 10)

static bool get_int(napi_env env, napi_value value, int *out) {
  int32_t number;
  if (napi_get_value_int32(env, value, &number) != napi_ok) return false;
  *out = number;
  return true;
}

static napi_value receive_descriptor(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value args[1], result;
  int sock;
  if (napi_get_cb_info(env, info, &argc, args, NULL, NULL) != napi_ok || argc < 1 || !get_int(env, args[0], &sock))
    return throw_type(env, "receiveDescriptor(socket): expected a descriptor");
  char byte;
  struct iovec part = {.iov_base = &byte, .iov_len = 1};
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control;
  memset(&control, 0, sizeof control);
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  ssize_t got;
  do got = recvmsg(sock, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  while (got < 0 && errno == EINTR);
  if (got < 0) return fail(env, "receiving a descriptor failed", errno);
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(sizeof(int)))
    return fail(env, "no descriptor was sent", ENODEV);
  int fd;
  memcpy(&fd, CMSG_DATA(header), sizeof fd);
  napi_create_int32(env, fd, &result);
  return result;
}

static napi_value socket_pair(napi_env env, napi_callback_info info) {
  (void)info;
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) return fail(env, "socketpair failed", errno);
  fcntl(pair[1], F_SETFD, 0);
  napi_value result, element;
  napi_create_array_with_length(env, 2, &result);
  for (uint32_t i = 0; i < 2; i++) {
    napi_create_int32(env, pair[i], &element);
    napi_set_element(env, result, i, element);
  }
  return result;
}

static bool get_text(napi_env env, napi_value value, char *into, size_t size) {
  size_t length;
  return napi_get_value_string_utf8(env, value, into, size, &length) == napi_ok && length + 1 < size;
}

static napi_value mount_call(napi_env env, napi_callback_info info) {
  size_t argc = 5;
  napi_value args[5];
  char source[256], target[4096], type[64], data[1024];
  uint32_t flags;
  if (napi_get_cb_info(env, info, &argc, args, NULL, NULL) != napi_ok || argc < 5 || !get_text(env, args[0], source, sizeof source) ||
      !get_text(env, args[1], target, sizeof target) || !get_text(env, args[2], type, sizeof type) ||
      napi_get_value_uint32(env, args[3], &flags) != napi_ok || !get_text(env, args[4], data, sizeof data))
    return throw_type(env, "mount(source, target, type, flags, data): wrong or too long arguments");
  if (mount(source, target, type, flags, data) < 0) return fail(env, "mount failed", errno);
  return NULL;
}

static napi_value unmount_call(napi_env env, napi_callback_info info) {
  size_t argc = 2;
  napi_value args[2];
  char target[4096];
  int flags;
  if (napi_get_cb_info(env, info, &argc, args, NULL, NULL) != napi_ok || argc < 2 || !get_text(env, args[0], target, sizeof target) ||
      !get_int(env, args[1], &flags))
    return throw_type(env, "unmount(target, flags): wrong arguments");
  if (umount2(target, flags) < 0) return fail(env, "unmount failed", errno);
  return NULL;
}

// What of libuv is used: it has no header where Node's own headers are not installed. The numbers are those of libuv 1.x, whose ABI is
// stable; Node's binary exports the functions.
typedef struct uv_poll uv_poll;
typedef void (*uv_poll_callback)(uv_poll *, int status, int events);
typedef void (*uv_close_callback)(uv_poll *);
extern size_t uv_handle_size(int type);
extern void uv_handle_set_data(uv_poll *, void *data);
extern void *uv_handle_get_data(const uv_poll *);
extern int uv_poll_init(struct uv_loop_s *, uv_poll *, int fd);
extern int uv_poll_start(uv_poll *, int events, uv_poll_callback);
extern void uv_close(uv_poll *, uv_close_callback);
#define UV_POLL 8
#define UV_READABLE 1

// A run of requests, each padded to 8 bytes, in memory of a Buffer that JavaScript sees without a copy.
struct block {
  uint8_t *bytes;
  size_t used;
  napi_ref buffer;
};

struct reader {
  napi_env env;
  uv_poll *poll;
  struct block filling, spare;
  size_t request_bytes, block_bytes;
  int fd;
  napi_ref deliver;
  napi_async_context context;
};

static bool make_block(napi_env env, struct reader *reader, struct block *block) {
  napi_value buffer;
  void *bytes;
  *block = (struct block){0};
  if (napi_create_buffer(env, reader->block_bytes, &bytes, &buffer) != napi_ok ||
      napi_create_reference(env, buffer, 1, &block->buffer) != napi_ok)
    return false;
  block->bytes = bytes;
  return true;
}

static void drop_block(napi_env env, struct block *block) {
  if (block->buffer != NULL) napi_delete_reference(env, block->buffer);
  *block = (struct block){0};
}

static const char *end_name(int error) {
  switch (error) {
    case ENODEV: return "ENODEV";
    case ECONNABORTED: return "ECONNABORTED";
    case ENOMEM: return "ENOMEM";
    case EBADF: return "EBADF";
    case EINVAL: return "EINVAL";
    case EPERM: return "EPERM";
    default: return "EIO";
  }
}

// Calls (batch, undefined) or (undefined, code). True when JavaScript says that it keeps nothing of the batch.
static bool call_back(struct reader *reader, napi_value batch, const char *code) {
  napi_env env = reader->env;
  napi_value undefined, global, callback, args[2], result;
  bool is_free = false;
  napi_get_undefined(env, &undefined);
  napi_get_global(env, &global);
  args[0] = batch == NULL ? undefined : batch;
  args[1] = undefined;
  if (code != NULL) napi_create_string_utf8(env, code, NAPI_AUTO_LENGTH, &args[1]);
  if (napi_get_reference_value(env, reader->deliver, &callback) != napi_ok) return false;
  if (napi_make_callback(env, reader->context, global, callback, 2, args, &result) != napi_ok) {
    bool thrown = false;
    napi_value error;
    if (napi_is_exception_pending(env, &thrown) == napi_ok && thrown && napi_get_and_clear_last_exception(env, &error) == napi_ok)
      napi_fatal_exception(env, error);
    return false;
  }
  return napi_get_value_bool(env, result, &is_free) == napi_ok && is_free;
}

// Takes what waits, up to what the block has room for. Returns 0 or the errno that ends the reading.
static int take_requests(struct reader *reader) {
  struct block *block = &reader->filling;
  while (reader->block_bytes - block->used >= reader->request_bytes + BLOCK_TAIL_BYTES) {
    ssize_t got = read(reader->fd, block->bytes + block->used, reader->request_bytes);
    if (got < 0) {
      if (errno == EINTR || errno == ENOENT) continue;
      return errno == EAGAIN ? 0 : errno;
    }
    if (got == 0) return EIO;
    size_t padded = ((size_t)got + 7) & ~(size_t)7;
    memset(block->bytes + block->used + got, 0, padded - (size_t)got);
    block->used += padded;
  }
  return 0;
}

// Large blocks are handed over as they are, and used again when nothing in them is needed any more.
static void deliver_requests(struct reader *reader) {
  napi_env env = reader->env;
  napi_value batch;
  struct block *block = &reader->filling;
  size_t used = block->used;
  if (used == 0) return;
  block->used = 0;
  if (used <= COPIED_BYTES || reader->spare.bytes == NULL) {
    if (napi_create_buffer_copy(env, used, block->bytes, NULL, &batch) == napi_ok) call_back(reader, batch, NULL);
    return;
  }
  struct block taken = *block;
  *block = reader->spare;
  reader->spare = (struct block){0};
  memset(taken.bytes + used, 0, BLOCK_TAIL_BYTES);
  if (napi_get_reference_value(env, taken.buffer, &batch) == napi_ok && call_back(reader, batch, NULL)) reader->spare = taken;
  else {
    drop_block(env, &taken);
    make_block(env, reader, &reader->spare); // without a spare the next ones are copied
  }
}

static void free_reader(struct reader *reader) {
  drop_block(reader->env, &reader->filling);
  drop_block(reader->env, &reader->spare);
  if (reader->deliver != NULL) napi_delete_reference(reader->env, reader->deliver);
  if (reader->context != NULL) napi_async_destroy(reader->env, reader->context);
  free(reader);
}

static void free_poll(uv_poll *poll) { free(poll); }

// The process ends before the mount: JavaScript is not called any more.
static void stop_at_exit(void *data) {
  struct reader *reader = data;
  uv_close(reader->poll, free_poll);
}

// On the event loop: the device has requests, or has come to its end.
static void on_readable(uv_poll *poll, int status, int events) {
  (void)events;
  struct reader *reader = uv_handle_get_data(poll);
  napi_env env = reader->env;
  napi_handle_scope scope;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  int end = take_requests(reader);
  if (status < 0 && end == 0) end = EIO; // libuv polls no more
  deliver_requests(reader);
  if (end != 0) {
    uv_close(poll, free_poll); // before JavaScript closes the descriptor
    napi_remove_env_cleanup_hook(env, stop_at_exit, reader);
    call_back(reader, NULL, end_name(end));
    free_reader(reader);
  }
  napi_close_handle_scope(env, scope);
}

// NULL, or what could not be had.
static const char *start_reader(napi_env env, struct reader *reader, napi_value deliver) {
  napi_value name;
  struct uv_loop_s *loop;
  if (!make_block(env, reader, &reader->filling) || !make_block(env, reader, &reader->spare)) return "no memory for requests";
  if (napi_create_reference(env, deliver, 1, &reader->deliver) != napi_ok ||
      napi_create_string_utf8(env, "kura.readDevice", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_async_init(env, NULL, name, &reader->context) != napi_ok || napi_get_uv_event_loop(env, &loop) != napi_ok)
    return "no event loop";
  uv_poll *poll = calloc(1, uv_handle_size(UV_POLL));
  if (poll == NULL) return "no memory";
  if (uv_poll_init(loop, poll, reader->fd) != 0) {
    free(poll);
    return "the device cannot be polled";
  }
  reader->poll = poll;
  uv_handle_set_data(poll, reader);
  if (uv_poll_start(poll, UV_READABLE, on_readable) != 0 || napi_add_env_cleanup_hook(env, stop_at_exit, reader) != napi_ok) {
    uv_close(poll, free_poll);
    return "the device cannot be polled";
  }
  return NULL;
}

static napi_value read_device(napi_env env, napi_callback_info info) {
  size_t argc = 3;
  napi_value args[3];
  int fd, size;
  napi_valuetype type = napi_undefined;
  if (napi_get_cb_info(env, info, &argc, args, NULL, NULL) != napi_ok || argc < 3 || !get_int(env, args[0], &fd) ||
      !get_int(env, args[1], &size) || size < 8192 || size > (64 << 20) || napi_typeof(env, args[2], &type) != napi_ok || type != napi_function)
    return throw_type(env, "readDevice(fd, maxRequestBytes, deliver): wrong arguments");
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return fail(env, "the device cannot be polled", errno);
  struct reader *reader = calloc(1, sizeof *reader);
  if (reader == NULL) return fail(env, "no reader", ENOMEM);
  reader->env = env;
  reader->fd = fd;
  reader->request_bytes = (size_t)size;
  reader->block_bytes = BLOCK_REQUESTS * (((size_t)size + 7) & ~(size_t)7) + BLOCK_TAIL_BYTES;
  const char *wrong = start_reader(env, reader, args[2]);
  if (wrong == NULL) return NULL;
  free_reader(reader);
  return fail(env, wrong, EIO);
}

bool register_fuse_device(napi_env env, napi_value exports) {
  return export_function(env, exports, "receiveDescriptor", receive_descriptor) && export_function(env, exports, "socketPair", socket_pair) &&
         export_function(env, exports, "mount", mount_call) && export_function(env, exports, "unmount", unmount_call) &&
         export_function(env, exports, "readDevice", read_device);
}
