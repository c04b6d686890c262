/** Requests as they come off the wire, as far as the dialect reads them: what was not sent has its default. */

export interface Labels {
  [label: string]: string;
}
export interface Metadata {
  id: string;
  parent_id: string;
  name: string;
  labels: Labels;
}
export interface CreateInstance {
  metadata: Metadata | null;
  spec: {
    resources: { platform: string; preset?: string } | null;
    network_interfaces: {
      subnet_id: string;
      name: string;
      ip_address: object | null;
      public_ip_address: object | null;
    }[];
    boot_disk: { attach_mode: string; managed_disk?: { name: string; labels: Labels; spec: DiskSpec | null } } | null;
    cloud_init_user_data: string;
  } | null;
}
export interface DiskSpec {
  size_gibibytes?: number;
  source_image_id?: string;
  source_image_family?: { image_family: string };
}
export interface ById {
  id: string;
}
export interface ByName {
  parent_id: string;
  name: string;
}
export interface Paged {
  parent_id: string;
  page_size: number;
  page_token: string;
}
