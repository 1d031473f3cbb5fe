// The few system calls around /dev/fuse that Node has not: descriptors over a Unix socket, mount(2), and a thread that waits for
// requests so that the event loop need not (spec 08, 3.14 and 3.15).
#define _GNU_SOURCE
#include "fuse_device.h"
#include "kura.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
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

// Requests of full size that wait for the event loop, at most; the thread stops reading above it.
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

// A run of requests, each padded to 8 bytes, in memory of a Buffer that JavaScript sees without a copy.
struct block {
  uint8_t *bytes;
  size_t used;
  napi_ref buffer;
};

struct reader {
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t room;
  struct block filling; // under the lock
  struct block spare;   // of the event loop alone
  size_t request_bytes, block_bytes;
  atomic_bool wanted; // the event loop waits for the lock, which the thread would take again at once
  int fd, wake[2];
  int end; // errno that ended the reading, 0 while it goes on
  bool started, stop;
  napi_threadsafe_function notify;
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

// Waits until the device has a request. False when the reader was told to stop.
static bool wait_for_request(struct reader *reader) {
  struct pollfd polled[2] = {{.fd = reader->fd, .events = POLLIN}, {.fd = reader->wake[0], .events = POLLIN}};
  while (poll(polled, 2, -1) < 0)
    if (errno != EINTR) return false;
  return (polled[1].revents & POLLIN) == 0;
}

// One request into the block. Reading does not block, so the lock is held for no longer than the copy takes.
static ssize_t read_one(struct reader *reader, bool *first) {
  while (atomic_load(&reader->wanted)) sched_yield();
  pthread_mutex_lock(&reader->lock);
  struct block *block = &reader->filling;
  while (reader->block_bytes - block->used < reader->request_bytes + BLOCK_TAIL_BYTES && !reader->stop)
    pthread_cond_wait(&reader->room, &reader->lock);
  *first = block->used == 0;
  ssize_t got = reader->stop ? -1 : read(reader->fd, block->bytes + block->used, reader->request_bytes);
  int error = reader->stop ? ECANCELED : errno;
  if (got > 0) {
    size_t padded = ((size_t)got + 7) & ~(size_t)7;
    memset(block->bytes + block->used + got, 0, padded - (size_t)got);
    block->used += padded;
  }
  pthread_mutex_unlock(&reader->lock);
  errno = error;
  return got;
}

static void *read_requests(void *data) {
  struct reader *reader = data;
  int end = 0;
  while (end == 0) {
    bool first;
    ssize_t got = read_one(reader, &first);
    if (got < 0) {
      if (errno == EINTR || errno == ENOENT) continue;
      if (errno != EAGAIN) end = errno;
      else if (!wait_for_request(reader)) end = ECANCELED;
      continue;
    }
    if (first && napi_call_threadsafe_function(reader->notify, reader, napi_tsfn_nonblocking) == napi_closing) return NULL;
  }
  pthread_mutex_lock(&reader->lock);
  reader->end = end;
  pthread_mutex_unlock(&reader->lock);
  if (napi_call_threadsafe_function(reader->notify, reader, napi_tsfn_nonblocking) != napi_closing)
    napi_release_threadsafe_function(reader->notify, napi_tsfn_release);
  return NULL;
}

static const char *end_name(int error) {
  switch (error) {
    case ENODEV: return "ENODEV";
    case ECONNABORTED: return "ECONNABORTED";
    case ECANCELED: return "ECANCELED";
    case ENOMEM: return "ENOMEM";
    case EBADF: return "EBADF";
    case EINVAL: return "EINVAL";
    case EPERM: return "EPERM";
    default: return "EIO";
  }
}

// Calls (batch, undefined) or (undefined, code). True when JavaScript says that it keeps nothing of the batch.
static bool call_back(napi_env env, napi_value callback, napi_value batch, const char *code) {
  napi_value undefined, args[2], result;
  bool is_free = false;
  napi_get_undefined(env, &undefined);
  args[0] = batch == NULL ? undefined : batch;
  args[1] = undefined;
  if (code != NULL) napi_create_string_utf8(env, code, NAPI_AUTO_LENGTH, &args[1]);
  if (napi_call_function(env, undefined, callback, 2, args, &result) != napi_ok) return false;
  return napi_get_value_bool(env, result, &is_free) == napi_ok && is_free;
}

// Hands the block over as it is; it is used again when nothing in it is needed any more.
static bool deliver_block(napi_env env, napi_value callback, struct reader *reader, struct block taken) {
  napi_value batch;
  memset(taken.bytes + taken.used, 0, BLOCK_TAIL_BYTES);
  bool is_free = napi_get_reference_value(env, taken.buffer, &batch) == napi_ok && call_back(env, callback, batch, NULL);
  if (is_free) {
    reader->spare = taken;
    return true;
  }
  drop_block(env, &taken);
  return make_block(env, reader, &reader->spare);
}

// On the event loop: hands everything that has arrived to JavaScript in one call, then what ended the reading.
static void deliver(napi_env env, napi_value callback, void *context, void *data) {
  (void)data;
  struct reader *reader = context;
  if (env == NULL || callback == NULL) return;
  napi_value copy = NULL;
  struct block taken = {0};
  atomic_store(&reader->wanted, true);
  pthread_mutex_lock(&reader->lock);
  atomic_store(&reader->wanted, false);
  if (reader->filling.used > COPIED_BYTES && reader->spare.bytes != NULL) {
    taken = reader->filling;
    reader->filling = reader->spare;
    reader->filling.used = 0;
    reader->spare = (struct block){0};
  } else if (reader->filling.used > 0 && napi_create_buffer_copy(env, reader->filling.used, reader->filling.bytes, NULL, &copy) == napi_ok)
    reader->filling.used = 0;
  int end = reader->end;
  pthread_cond_signal(&reader->room);
  pthread_mutex_unlock(&reader->lock);
  if (taken.bytes != NULL) deliver_block(env, callback, reader, taken); // without a spare the next ones are copied
  else if (copy != NULL) call_back(env, callback, copy, NULL);
  if (end != 0) call_back(env, callback, NULL, end_name(end));
}

static void request_stop(struct reader *reader) {
  pthread_mutex_lock(&reader->lock);
  bool already = reader->stop;
  reader->stop = true;
  pthread_cond_signal(&reader->room);
  pthread_mutex_unlock(&reader->lock);
  if (!already && write(reader->wake[1], "", 1) < 0) return; // the pipe is empty before: cannot fail
}

static void free_reader(napi_env env, struct reader *reader) {
  close(reader->wake[0]);
  close(reader->wake[1]);
  pthread_mutex_destroy(&reader->lock);
  pthread_cond_destroy(&reader->room);
  drop_block(env, &reader->filling);
  drop_block(env, &reader->spare);
  free(reader);
}

// Runs when the thread has released its side, or when the process ends before.
static void finish_reader(napi_env env, void *data, void *hint) {
  (void)hint;
  struct reader *reader = data;
  request_stop(reader);
  if (reader->started) pthread_join(reader->thread, NULL);
  free_reader(env, reader);
}

static napi_value read_device(napi_env env, napi_callback_info info) {
  size_t argc = 3;
  napi_value args[3], name;
  int fd, size;
  napi_valuetype type = napi_undefined;
  if (napi_get_cb_info(env, info, &argc, args, NULL, NULL) != napi_ok || argc < 3 || !get_int(env, args[0], &fd) ||
      !get_int(env, args[1], &size) || size < 8192 || size > (64 << 20) || napi_typeof(env, args[2], &type) != napi_ok || type != napi_function)
    return throw_type(env, "readDevice(fd, maxRequestBytes, deliver): wrong arguments");
  int status = fcntl(fd, F_GETFL);
  if (status < 0 || fcntl(fd, F_SETFL, status | O_NONBLOCK) < 0) return fail(env, "the device cannot be polled", errno);
  struct reader *reader = calloc(1, sizeof *reader);
  if (reader == NULL) return fail(env, "no reader", ENOMEM);
  reader->fd = fd;
  reader->request_bytes = (size_t)size;
  reader->block_bytes = BLOCK_REQUESTS * (((size_t)size + 7) & ~(size_t)7) + BLOCK_TAIL_BYTES;
  pthread_mutex_init(&reader->lock, NULL);
  pthread_cond_init(&reader->room, NULL);
  if (!make_block(env, reader, &reader->filling) || !make_block(env, reader, &reader->spare) || pipe2(reader->wake, O_CLOEXEC) < 0) {
    drop_block(env, &reader->filling);
    drop_block(env, &reader->spare);
    free(reader);
    return fail(env, "no reader", ENOMEM);
  }
  napi_create_string_utf8(env, "kura.readDevice", NAPI_AUTO_LENGTH, &name);
  if (napi_create_threadsafe_function(env, args[2], NULL, name, 0, 1, reader, finish_reader, reader, deliver, &reader->notify) != napi_ok) {
    free_reader(env, reader);
    return fail(env, "no reader", ENOMEM);
  }
  reader->started = pthread_create(&reader->thread, NULL, read_requests, reader) == 0;
  if (!reader->started) {
    napi_release_threadsafe_function(reader->notify, napi_tsfn_abort);
    return fail(env, "no reader thread", EAGAIN);
  }
  return NULL;
}

bool register_fuse_device(napi_env env, napi_value exports) {
  return export_function(env, exports, "receiveDescriptor", receive_descriptor) && export_function(env, exports, "socketPair", socket_pair) &&
         export_function(env, exports, "mount", mount_call) && export_function(env, exports, "unmount", unmount_call) &&
         export_function(env, exports, "readDevice", read_device);
}
