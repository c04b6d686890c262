import protobuf from 'protobufjs';

/*
 * The messages that we send to Nebius and read from it, as far as we use them: package, name, field numbers and types are
 * the vendor's (public repository nebius/api, MIT). `tests/adapters/nebius.wire.test.ts` holds every line against the
 * vendor's table. They are text in a module, so that a build and a package always have them.
 */
const PACKAGES = [
  `syntax = "proto3";
package google.protobuf;
message Timestamp { int64 seconds = 1; int32 nanos = 2; }
message Duration { int64 seconds = 1; int32 nanos = 2; }
message Any { string type_url = 1; bytes value = 2; }`,
  `syntax = "proto3";
package google.rpc;
message Status { int32 code = 1; string message = 2; repeated google.protobuf.Any details = 3; }
message RetryInfo { google.protobuf.Duration retry_delay = 1; }`,
  `syntax = "proto3";
package nebius.common.v1;
message ResourceMetadata {
  string id = 1;
  string parent_id = 2;
  string name = 3;
  int64 resource_version = 4;
  google.protobuf.Timestamp created_at = 5;
  map<string,string> labels = 7;
}
message GetByNameRequest { string parent_id = 1; string name = 2; }
message Operation {
  string id = 1;
  google.protobuf.Timestamp created_at = 3;
  google.protobuf.Timestamp finished_at = 5;
  string resource_id = 7;
  google.rpc.Status status = 10;
}
message GetOperationRequest { string id = 1; }
message ListOperationsRequest { string resource_id = 1; int64 page_size = 2; string page_token = 3; }
message ListOperationsResponse { repeated Operation operations = 1; string next_page_token = 2; }
message ServiceError {
  enum RetryType { UNSPECIFIED = 0; CALL = 1; UNIT_OF_WORK = 2; NOTHING = 3; }
  string service = 1;
  string code = 2;
  RetryType retry_type = 30;
  oneof details { BadRequest bad_request = 100; BadResourceState bad_resource_state = 110; ResourceNotFound resource_not_found = 111; ResourceAlreadyExists resource_already_exists = 112; OutOfRange out_of_range = 113; PermissionDenied permission_denied = 120; ResourceConflict resource_conflict = 130; OperationAborted operation_aborted = 131; OperationConflict operation_conflict = 132; TooManyRequests too_many_requests = 140; QuotaFailure quota_failure = 141; NotEnoughResources not_enough_resources = 142; InternalError internal_error = 999; }
}
message BadRequest {
  message Violation { string field = 1; string message = 2; }
  repeated Violation violations = 1;
}
message BadResourceState { string resource_id = 1; string message = 2; }
message ResourceNotFound { string resource_id = 1; }
message ResourceAlreadyExists { string resource_id = 1; }
message ResourceConflict { string resource_id = 1; string message = 2; }
message OperationAborted { string operation_id = 1; string aborted_by_operation_id = 2; string resource_id = 3; }
message OperationConflict { string conflicting_operation_id = 1; string resource_id = 2; }
message OutOfRange { string requested = 1; string limit = 2; }
message PermissionDenied { string resource_id = 1; }
message InternalError { string request_id = 1; string trace_id = 2; }
message TooManyRequests { string violation = 1; }
message QuotaFailure {
  message Violation { string quota = 1; string message = 2; string limit = 3; string requested = 4; }
  repeated Violation violations = 1;
}
message NotEnoughResources {
  message Violation { string resource_type = 1; string message = 2; string requested = 3; }
  repeated Violation violations = 1;
}`,
  `syntax = "proto3";
package nebius.compute.v1;
message Instance { nebius.common.v1.ResourceMetadata metadata = 1; InstanceSpec spec = 2; InstanceStatus status = 3; }
message InstanceSpec {
  ResourcesSpec resources = 2;
  repeated NetworkInterfaceSpec network_interfaces = 4;
  AttachedDiskSpec boot_disk = 5;
  string cloud_init_user_data = 8;
  InstanceRecoveryPolicy recovery_policy = 15;
}
message ResourcesSpec { string platform = 1; oneof size { string preset = 2; } }
enum InstanceRecoveryPolicy { RECOVER = 0; FAIL = 1; ALWAYS = 2; }
message AttachedDiskSpec {
  enum AttachMode { UNSPECIFIED = 0; READ_ONLY = 1; READ_WRITE = 2; }
  AttachMode attach_mode = 1;
  oneof type { ManagedDisk managed_disk = 4; }
}
message ManagedDisk { string name = 1; map<string,string> labels = 2; DiskSpec spec = 4; }
message InstanceStatus {
  enum InstanceState { UNSPECIFIED = 0; CREATING = 1; UPDATING = 2; STARTING = 3; RUNNING = 4; STOPPING = 5; STOPPED = 6; DELETING = 7; ERROR = 8; }
  InstanceState state = 1;
  repeated NetworkInterfaceStatus network_interfaces = 2;
  bool reconciling = 5;
}
message NetworkInterfaceSpec {
  string subnet_id = 1;
  string name = 2;
  IPAddress ip_address = 3;
  PublicIPAddress public_ip_address = 4;
}
message IPAddress { string allocation_id = 1; }
message PublicIPAddress { bool static = 3; oneof allocation { string allocation_id = 1; } }
message NetworkInterfaceStatus { IPAddressStatus ip_address = 3; PublicIPAddressStatus public_ip_address = 4; }
message IPAddressStatus { string address = 1; }
message PublicIPAddressStatus { string address = 1; }
message GetInstanceRequest { string id = 1; }
message ListInstancesRequest { string parent_id = 1; int64 page_size = 2; string page_token = 3; }
message CreateInstanceRequest { nebius.common.v1.ResourceMetadata metadata = 1; InstanceSpec spec = 2; }
message UpdateInstanceRequest { nebius.common.v1.ResourceMetadata metadata = 1; InstanceSpec spec = 2; }
message DeleteInstanceRequest { string id = 1; }
message ListInstancesResponse { repeated Instance items = 1; string next_page_token = 2; }
message StartInstanceRequest { string id = 1; }
message StopInstanceRequest { string id = 1; }
message Disk { nebius.common.v1.ResourceMetadata metadata = 1; DiskSpec spec = 2; DiskStatus status = 3; }
message DiskSpec {
  enum DiskType { UNSPECIFIED = 0; NETWORK_SSD = 1; NETWORK_HDD = 2; NETWORK_SSD_NON_REPLICATED = 3; NETWORK_SSD_IO_M3 = 4; }
  DiskType type = 6;
  oneof size { int64 size_gibibytes = 4; }
  oneof source { string source_image_id = 8; SourceImageFamily source_image_family = 10; }
}
message SourceImageFamily { string image_family = 1; string parent_id = 2; }
message DiskStatus {
  enum State { UNSPECIFIED = 0; CREATING = 1; READY = 2; UPDATING = 3; DELETING = 4; ERROR = 5; BROKEN = 6; }
  State state = 1;
  string read_write_attachment = 3;
  string managed_by = 12;
}
message ListDisksRequest { string parent_id = 1; int64 page_size = 2; string page_token = 3; }
message ListDisksResponse { repeated Disk items = 1; string next_page_token = 2; }
message DeleteDiskRequest { string id = 1; }
message Platform { nebius.common.v1.ResourceMetadata metadata = 1; PlatformSpec spec = 2; PlatformStatus status = 3; }
message PlatformSpec {
  repeated Preset presets = 1;
  string gpu_count_quota_type = 3;
  bool allow_preset_change = 5;
  int32 gpu_memory_gigabytes = 12;
}
message Preset { string name = 1; PresetResources resources = 2; }
message PresetResources { int32 vcpu_count = 1; int32 memory_gibibytes = 3; int32 gpu_count = 4; }
message PlatformStatus { bool allowed_for_preemptibles = 3; }
message ListPlatformsRequest { int64 page_size = 1; string page_token = 2; string parent_id = 3; }
message ListPlatformsResponse { repeated Platform items = 1; string next_page_token = 2; }`,
  `syntax = "proto3";
package nebius.vpc.v1;
message Subnet { nebius.common.v1.ResourceMetadata metadata = 1; }
message ListSubnetsRequest { string parent_id = 1; int64 page_size = 2; string page_token = 3; }
message ListSubnetsResponse { repeated Subnet items = 1; string next_page_token = 2; }`,
  `syntax = "proto3";
package nebius.iam.v1;
message Container {
  nebius.common.v1.ResourceMetadata metadata = 1;
  ContainerSpec spec = 2;
  ContainerStatus status = 3;
}
message ContainerSpec { string region = 1; }
message ContainerStatus { string region = 4; }
message ListProjectsRequest { string parent_id = 1; int64 page_size = 2; string page_token = 3; }
message ListProjectsResponse { repeated Container items = 1; string next_page_token = 2; }
message ExchangeTokenRequest {
  string grant_type = 1;
  string requested_token_type = 2;
  string subject_token = 3;
  string subject_token_type = 4;
}
message CreateTokenResponse { string access_token = 1; string token_type = 3; int64 expires_in = 4; }`,
  `syntax = "proto3";
package nebius.billing.v1alpha1;
message EstimateRequest { ResourceSpec resource_spec = 1; }
message ResourceSpec { oneof resource_spec { nebius.compute.v1.CreateInstanceRequest compute_instance_spec = 100; } }
message EstimateResponse { ResourceGroupCost hourly_cost = 10; }
message ResourceGroupCost { oneof cost_type { GeneralTotalCost general = 10; } }
message GeneralTotalCost { CostBreakdown total = 1; }
message CostBreakdown { string cost = 2; }`,
  `syntax = "proto3";
package nebius.quotas.v1;
message QuotaAllowance {
  nebius.common.v1.ResourceMetadata metadata = 1;
  QuotaAllowanceSpec spec = 2;
  QuotaAllowanceStatus status = 3;
}
message QuotaAllowanceSpec { optional uint64 limit = 1; string region = 2; }
message QuotaAllowanceStatus {
  enum State { STATE_UNSPECIFIED = 0; STATE_PROVISIONING = 1; STATE_ACTIVE = 2; STATE_FROZEN = 3; STATE_DELETED = 10; }
  State state = 1;
  uint64 usage = 2;
}
message ListQuotaAllowancesRequest { string parent_id = 1; int64 page_size = 2; string page_token = 3; }
message ListQuotaAllowancesResponse { repeated QuotaAllowance items = 1; string next_page_token = 2; }`,
  `syntax = "proto3";
package nebius.capacity.v1;
message ResourceAdvice {
  nebius.common.v1.ResourceMetadata metadata = 1;
  ResourceAdviceSpec spec = 2;
  ResourceAdviceStatus status = 3;
}
message ResourceAdviceSpec {
  string region = 1;
  string fabric = 2;
  oneof resource_details { ComputeInstanceDetails compute_instance = 10; }
}
message ComputeInstanceDetails {
  message Preset { string name = 1; }
  string platform = 1;
  Preset preset = 2;
}
message ResourceAdviceStatus {
  message Availability {
    enum DataState { DATA_STATE_UNSPECIFIED = 0; DATA_STATE_FRESH = 1; DATA_STATE_STALE = 2; DATA_STATE_UNKNOWN = 10; }
    enum AvailabilityLevel { AVAILABILITY_LEVEL_UNSPECIFIED = 0; AVAILABILITY_LEVEL_HIGH = 1; AVAILABILITY_LEVEL_MEDIUM = 2; AVAILABILITY_LEVEL_LOW = 3; AVAILABILITY_LEVEL_LIMIT_REACHED = 4; AVAILABILITY_LEVEL_UNKNOWN = 5; }
    DataState data_state = 1;
    uint32 available = 2;
    AvailabilityLevel availability_level = 5;
  }
  Availability on_demand = 2;
}
message ListResourceAdviceRequest { string parent_id = 1; int64 page_size = 2; string page_token = 3; }
message ListResourceAdviceResponse { repeated ResourceAdvice items = 1; string next_page_token = 2; }`,
];

/** For tests: everything above, parsed. */
export const ROOT = new protobuf.Root();
for (const text of PACKAGES) protobuf.parse(text, ROOT, { keepCase: true });
ROOT.resolveAll();

/** @param type With its package: `nebius.compute.v1.Instance`. */
export function encode(type: string, message: object): Buffer {
  const known = ROOT.lookupType(type);
  return Buffer.from(known.encode(known.fromObject(message)).finish());
}

/**
 * Plain JSON with the vendor's own field names. Enums are their words, or a number where we do not know the word; an int64
 * is a number; what was not sent is absent, lists and maps are empty.
 * @throws {Error} for bytes that are no such message.
 */
export function decode(type: string, bytes: Uint8Array): unknown {
  const known = ROOT.lookupType(type);
  return known.toObject(known.decode(bytes), { longs: Number, enums: String, arrays: true, objects: true });
}
