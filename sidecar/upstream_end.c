/* SPDX-License-Identifier: PostgreSQL */
/*
 * upstream_end.c: why libcurl ended a transfer, in our words.
 *
 * Written for libcurl 7.88.1.  Three codes mean several things.  A timeout can only be the
 * connect timeout, for the other deadlines are ours.  A failed receive is a proxy's refusal
 * when there was a CONNECT answer other than 200; it is also how broken chunk framing is
 * reported, which only libcurl's sentence tells from a reset (the system's error number is
 * left over from the handle's earlier use).
 */
#include "upstream_private.h"

#include <errno.h>
#include <string.h>

typedef struct UeResultName
{
	CURLcode result;
	UeNetwork network;
} UeResultName;

static const UeResultName result_names[] = {
	{CURLE_COULDNT_RESOLVE_HOST, UE_NETWORK_DNS},
	{CURLE_COULDNT_RESOLVE_PROXY, UE_NETWORK_PROXY},
	{CURLE_PROXY, UE_NETWORK_PROXY},
	{CURLE_COULDNT_CONNECT, UE_NETWORK_CONNECT},
	{CURLE_INTERFACE_FAILED, UE_NETWORK_CONNECT},
	{CURLE_OPERATION_TIMEDOUT, UE_NETWORK_CONNECT_TIMEOUT},
	{CURLE_SSL_CONNECT_ERROR, UE_NETWORK_TLS},
	{CURLE_PEER_FAILED_VERIFICATION, UE_NETWORK_TLS},
	{CURLE_SSL_CERTPROBLEM, UE_NETWORK_TLS},
	{CURLE_SSL_CIPHER, UE_NETWORK_TLS},
	{CURLE_SSL_CACERT_BADFILE, UE_NETWORK_TLS},
	{CURLE_SSL_ISSUER_ERROR, UE_NETWORK_TLS},
	{CURLE_SSL_CRL_BADFILE, UE_NETWORK_TLS},
	{CURLE_SSL_SHUTDOWN_FAILED, UE_NETWORK_TLS},
	{CURLE_SSL_INVALIDCERTSTATUS, UE_NETWORK_TLS},
	{CURLE_SSL_PINNEDPUBKEYNOTMATCH, UE_NETWORK_TLS},
	{CURLE_SSL_CLIENTCERT, UE_NETWORK_TLS},
	{CURLE_SSL_ENGINE_INITFAILED, UE_NETWORK_TLS},
	{CURLE_USE_SSL_FAILED, UE_NETWORK_TLS},
	{CURLE_GOT_NOTHING, UE_NETWORK_RESET},
	{CURLE_RECV_ERROR, UE_NETWORK_RESET},
	{CURLE_NO_CONNECTION_AVAILABLE, UE_NETWORK_CONNECT},
	/* a reused connection died under a body that could not be sent again */
	{CURLE_SEND_FAIL_REWIND, UE_NETWORK_RESET},
	{CURLE_SEND_ERROR, UE_NETWORK_SEND},
	{CURLE_READ_ERROR, UE_NETWORK_SEND},
	{CURLE_ABORTED_BY_CALLBACK, UE_NETWORK_SEND},
	{CURLE_PARTIAL_FILE, UE_NETWORK_TRUNCATED},
};

static UeNetwork find_reported(const UeTransfer *transfer, CURLcode result);
static bool is_before_request(UeNetwork network);

/*
 * Who is not there for a second time has had the request when it was over a kept connection
 * before, and may have worked on it: that is no failure to connect, after which it could be
 * asked elsewhere as if nobody had seen it.
 */
UeNetwork
ue_transfer_find_network(const UeTransfer *transfer, CURLcode result)
{
	UeNetwork network = transfer->network;

	/* without a head there was no answer: the end of a 101 that nobody asked for */
	if (network != UE_NETWORK_NONE || (result == CURLE_OK && transfer->is_head_complete))
		return network;
	network = find_reported(transfer, result);
	if (transfer->is_sent && is_before_request(network) &&
		!ue_transfer_is_repeatable(transfer))
		return UE_NETWORK_RESET;
	return network;
}

static UeNetwork
find_reported(const UeTransfer *transfer, CURLcode result)
{
	long os_errno = 0;
	long connect_status = 0;

	curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &os_errno);
	curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_CONNECTCODE, &connect_status);
	if (connect_status >= 300)
		return UE_NETWORK_PROXY;
	if (result == CURLE_COULDNT_CONNECT && os_errno == ETIMEDOUT)
		return UE_NETWORK_CONNECT_TIMEOUT;
	if (result == CURLE_RECV_ERROR &&
		strstr(transfer->error_text, "chunked-encoding") != NULL)
		return UE_NETWORK_PROTOCOL;
	for (size_t i = 0; i < sizeof(result_names) / sizeof(result_names[0]); i++)
	{
		if (result_names[i].result == result)
			return result_names[i].network;
	}
	/* what is left is an answer that is not HTTP as we know it */
	return UE_NETWORK_PROTOCOL;
}

static bool
is_before_request(UeNetwork network)
{
	return network == UE_NETWORK_DNS || network == UE_NETWORK_CONNECT ||
		   network == UE_NETWORK_CONNECT_TIMEOUT || network == UE_NETWORK_TLS ||
		   network == UE_NETWORK_PROXY;
}
