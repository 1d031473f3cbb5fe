/* CRC-32C (Castagnoli). */
#ifndef KURA_CRC32C_H
#define KURA_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c_of(const uint8_t *data, size_t length);

#endif
